"""Whole-video throughput with several sentences: each frame encoded once, against once per sentence.

The peer is the official way: one frame at a time through the image encoder, again for every sentence. Both run the
same model in the same process, interleaved; medians and their ratio are printed and written as JSON.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from refsam_zoo import create_model
from refsam_zoo.inference.predictor import Predictor

SENTENCES = [f"the {colour} {shape}" for colour in ("red", "blue") for shape in ("circle", "star", "square", "ring")]


def once(predictor: Predictor, video: np.ndarray, sentences: Sequence[str]) -> list[np.ndarray]:
    return [found.masks for found in predictor.stream(iter(video[:, None]), sentences)]


def per_sentence(predictor: Predictor, video: np.ndarray, sentences: Sequence[str]) -> list[np.ndarray]:
    single = [once(predictor, video, [sentence]) for sentence in sentences]
    return [np.concatenate(masks) for masks in zip(*single, strict=True)]


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="refsam_vit_tiny")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("build/benchmarks/encode_once.json"))
    options = parser.parse_args()
    torch.manual_seed(0)
    predictor = Predictor(create_model(options.model, text_encoder="clip_tiny", tuner="frozen"))
    video = np.random.default_rng(0).integers(0, 256, (options.frames, 256, 256, 3), dtype=np.uint8)
    rows = []
    for count in (1, 2, 4, 8):
        chosen = SENTENCES[:count]
        same = np.mean(np.stack(once(predictor, video, chosen)) == np.stack(per_sentence(predictor, video, chosen)))
        times: dict[str, list[float]] = {"once": [], "per_sentence": []}
        for _ in range(options.rounds):
            times["once"].append(seconds(lambda: once(predictor, video, chosen)))  # noqa: B023  called at once
            times["per_sentence"].append(seconds(lambda: per_sentence(predictor, video, chosen)))  # noqa: B023
        ours, peer = (statistics.median(times[name]) for name in ("once", "per_sentence"))
        rows.append({"sentences": count, "once_s": ours, "per_sentence_s": peer, "ratio": peer / ours, "equal": same})
        print(f"{count} sentences: once {ours:.3f} s, per sentence {peer:.3f} s, {peer / ours:.2f}x, equal {same:.6f}")
    facts = {"machine": platform.processor() or platform.machine(), "threads": torch.get_num_threads()}
    facts |= {"torch": torch.__version__, "model": options.model, "frames": options.frames}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps({**facts, "rows": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
