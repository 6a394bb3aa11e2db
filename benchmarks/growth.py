"""How time and memory grow with frames, sentences, image size and model size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from encode_once import SENTENCES
from measure import memory_and_time, parser, report
from official import SIZES

from refsam_zoo import create_model
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.systems.predictor import Predictor

SERIES = {
    "frames": [("vit_b", 128, frames, 1) for frames in (2, 4, 8)],
    "sentences": [("vit_b", 128, 2, sentences) for sentences in (1, 4, 8)],
    "image size": [("vit_b", size, 1, 1) for size in (128, 256, 512)],
    "model": [(size, 128, 1, 1) for size in ("small", "vit_b", "vit_l")],
}


def build(size: str, image_size: int) -> RefSAM:
    torch.manual_seed(0)
    encoder = SIZES[size](image_size=image_size)
    return create_model(image_encoder=encoder, text_encoder="clip_tiny", tuner="frozen", dense_prompt="dense_attention")


def segment(size: str, image_size: int, frames: int, sentences: int) -> Callable[[], int]:
    """Makes the run to measure: a video of random frames, one at a time."""
    predictor = Predictor(build(size, image_size))

    def run() -> int:
        random = np.random.default_rng(0)
        video = (random.integers(0, 256, (1, 90, 160, 3), dtype=np.uint8) for _ in range(frames))
        return sum(int(found.masks.sum()) for found in predictor.stream(video, SENTENCES[:sentences]))

    return run


def parameters(size: str) -> int:
    with torch.device("meta"):
        return sum(weight.numel() for weight in SIZES[size]().parameters())


def main() -> None:
    options = parser(__doc__).parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for series, points in SERIES.items():
        axis = {"frames": 2, "sentences": 3, "image size": 1, "model": 0}[series]
        first: dict[str, float] = {}
        for point in points:
            memory, seconds = memory_and_time(options.rounds, segment, *point)
            first = first or {"seconds": seconds, "MiB": memory}
            rows.append(
                {
                    "label": f"{series} {point[axis]}",
                    "series": series,
                    "x": parameters(point[0]) / 1e6 if series == "model" else point[axis],
                    "seconds": seconds,
                    "peak_MiB": memory,
                    "ratio": seconds / first["seconds"],
                    "memory_ratio": memory / first["MiB"],
                }
            )
    report("growth", "ViT-B: time and memory; frames, sentences and models at 128 x 128", options, rows)


if __name__ == "__main__":
    main()
