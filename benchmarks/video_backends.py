"""Random training clips from intact H.264 files with closed groups of pictures: decord against PyAV.

Each clip of five frames is read by a fresh reader, as a training worker does it with shuffled videos; the scan of a
file's packets is remembered by both. Files are generated; further ones may be named. All frames of every file are
compared too: a back end that is to be chosen must give the same pixels. Medians over interleaved rounds are printed and
written as JSON.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import cv2
import measure
import numpy as np

from refsam_zoo.clips.clip_sampling import ConsecutiveSampling, NeighbourSampling
from refsam_zoo.types import VideoSource
from refsam_zoo.video.packets import read_packets
from refsam_zoo.video.readers import Backend, open_video

FRAMES, CLIP = 60, 5
SIZES = {"128p": (128, 128), "240p": (240, 426), "480p": (480, 854), "720p": (720, 1280)}
GROUPS = (12, 250)
SAMPLINGS = {"spread": NeighbourSampling(), "consecutive": ConsecutiveSampling()}


def write_video(path: Path, size: tuple[int, int], group: int) -> Path:
    """Writes a moving texture with B-frames."""
    height, width = size
    random = np.random.default_rng(0)
    texture = cv2.resize(random.integers(0, 256, (80, 140, 3), dtype=np.uint8), (width + 120, height + 60))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"g": str(group), "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for number in range(FRAMES):
            picture = np.ascontiguousarray(texture[number : number + height, 2 * number : 2 * number + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def read_clips(path: Path, backend: Backend, clips: list[list[int]]) -> None:
    for clip in clips:
        with open_video(VideoSource(path), backend=backend, time_limit=None) as reader:
            reader.read(clip)


def largest_difference(path: Path) -> int:
    """Between any channel of any pixel of any frame, 0..255."""
    with (
        open_video(VideoSource(path), backend="decord") as first,
        open_video(VideoSource(path), backend="pyav") as second,
    ):
        pairs = zip(first.stream(4), second.stream(4), strict=True)
        return max(int(np.abs(ours.astype(np.int16) - theirs).max()) for ours, theirs in pairs)


def compare(path: Path, label: str, clips: int, rounds: int) -> list[dict[str, Any]]:
    """Seconds per clip of both back ends, for clips spread over the video and for consecutive frames."""
    difference = largest_difference(path)
    rows = []
    length = len(read_packets(path).times)
    for name, sampling in SAMPLINGS.items():
        random = np.random.default_rng(0)
        drawn = [sampling.sample(int(random.integers(length)), length, CLIP, random) for _ in range(clips)]
        variants: dict[str, Callable[[], None]] = {
            backend: partial(read_clips, path, backend, drawn)  # type: ignore[arg-type]
            for backend in ("decord", "pyav")
        }
        seconds = measure.interleaved(variants, rounds)
        milliseconds = {backend: 1000 * time / clips for backend, time in seconds.items()}
        ratio = milliseconds["decord"] / milliseconds["pyav"]
        rows.append({"label": f"{label}, {name}", **milliseconds, "ratio": ratio, "difference": difference})
    return rows


def main() -> None:
    arguments = measure.parser(__doc__, rounds=7)
    arguments.add_argument("--clips", type=int, default=6)
    arguments.add_argument("--files", type=Path, nargs="*", default=[], help="further videos")
    options = arguments.parse_args()
    if find_spec("decord") is None:
        print("decord has no wheel for this machine")
        return
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        files = {
            f"{name}, groups of {group}": write_video(Path(folder, f"{name}_{group}.mp4"), size, group)
            for name, size in SIZES.items()
            for group in GROUPS
        }
        for label, path in (files | {file.name: file for file in options.files}).items():
            if read_packets(path).order == "closed":
                rows += compare(path, label, options.clips, options.rounds)
    measure.report("video_backends", "milliseconds per clip of five frames: decord / PyAV", options, rows)


if __name__ == "__main__":
    main()
