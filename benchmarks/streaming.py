"""Memory of `refsam-zoo segment` over a long video: the curve must be flat.

The video is generated. A small model without trained weights runs through it, masks and overlay are written as the
command does; meanwhile the resident memory of the process is noted. Draws the curve and writes JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from matplotlib import pyplot

from refsam_zoo import create_model
from refsam_zoo.inference.segment import segment_video
from refsam_zoo.systems.predictor import Predictor
from refsam_zoo.types import VideoSource
from refsam_zoo.video.readers import open_video

HEIGHT, WIDTH = 360, 640
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def write_video(path: Path, frames: int, rate: int) -> None:
    """A moving gradient."""
    rows, columns = np.mgrid[:HEIGHT, : 2 * WIDTH].astype(np.uint16)
    wide = np.stack([rows, columns, rows + columns], -1).astype(np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "g": "50"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        for number in range(frames):
            picture = np.ascontiguousarray(wide[:, number % WIDTH : number % WIDTH + WIDTH])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def resident() -> float:
    """Resident memory of this process in MB (Linux)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE / 1e6


def watch(work: Callable[[], None], interval: float = 1.0) -> tuple[list[float], list[float]]:
    """Works and notes seconds and MB meanwhile."""
    seconds, memory, done, start = [], [], threading.Event(), time.perf_counter()

    def note() -> None:
        while not done.wait(interval):
            seconds.append(time.perf_counter() - start)
            memory.append(resident())

    thread = threading.Thread(target=note)
    thread.start()
    try:
        work()
    finally:
        done.set()
        thread.join()
    return seconds, memory


def draw(path: Path, seconds: list[float], memory: list[float], title: str) -> None:
    figure, axes = pyplot.subplots(figsize=(7, 3), layout="constrained")
    axes.plot(np.array(seconds) / 60, memory)
    axes.set(xlabel="minutes of work", ylabel="resident memory, MB", title=title, ylim=(0, 1.2 * max(memory)))
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=1, help="frames per second")
    parser.add_argument("--picture", type=Path, default=Path("docs/benchmark_streaming.png"))
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks/streaming.json"))
    options = parser.parse_args()
    frames = int(60 * options.minutes * options.rate)
    torch.manual_seed(0)
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen").eval()
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "long.mp4"
        write_video(video, frames, options.rate)
        with open_video(VideoSource(video)) as reader:
            seconds, memory = watch(
                lambda: segment_video(Predictor(model), reader, ["the red car"], Path(folder) / "found")
            )
    settled = memory[len(memory) // 10 :]  # libraries load and pools fill up at first
    report: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "av": av.__version__,
    }
    report |= {"frames": frames, "minutes_of_video": options.minutes, "height": HEIGHT, "width": WIDTH}
    half = len(settled) // 2
    means = {name: float(np.mean(part)) for name, part in (("first", settled[:half]), ("second", settled[half:]))}
    report |= {"mean_MB_of_halves": means, "peak_MB": max(memory), "seconds": seconds[-1]}
    print(json.dumps(report, indent=2))
    draw(options.picture, seconds, memory, f"{options.minutes:g} minutes of video, {frames} frames")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    curve = {"seconds": seconds, "MB": memory}
    options.output.write_text(json.dumps(report | curve, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
