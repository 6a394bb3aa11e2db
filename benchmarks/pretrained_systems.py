"""Systems with public weights at full size, with random weights: time of a frame, and memory beside the weights."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from encode_once import SENTENCES
from measure import memory_and_time, parser, report

from refsam_zoo.model.beit3 import Beit3Size
from refsam_zoo.model.image_encoders.sam2 import sam2_hiera_base_plus
from refsam_zoo.model.samwise import Samwise
from refsam_zoo.systems import SYSTEMS

HEIGHT, WIDTH = 480, 854
EVF = {"evf_sam": "huge", "evf_sam2": "large"}
"""EVF-SAM over SAM and over SAM 2 -> `sam_scale` of its `config.json`."""


def write(system: str, folder: Path) -> None:
    """Writes a folder as the hub has it, of the published sizes."""
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    if system in EVF:
        write_evf(system, folder)
        return
    if system == "samwise":
        write_samwise(folder)
        return
    from systems.tiny_folders import save_clipseg, save_sam3
    from transformers import CLIPSegConfig, CLIPSegForImageSegmentation, Sam3VideoConfig, Sam3VideoModel

    if system == "clipseg":
        config = CLIPSegConfig(vision_config={"patch_size": 16}, use_complex_transposed_convolution=True)
        save_clipseg(folder, CLIPSegForImageSegmentation(config), 352)
    else:
        save_sam3(folder, Sam3VideoModel(Sam3VideoConfig()), 1008)


def write_evf(system: str, folder: Path) -> None:
    """Writes EVF-SAM in half precision, as most of it is published."""
    from systems.tiny_evf_sam import VOCABULARY, shapes

    entry, scale = SYSTEMS.get(system), EVF[system]
    size = Beit3Size(width=1024, layers=24, hidden=4096, side=224, patch=16, words=64010, positions=1024)
    state = {
        name: torch.empty(shape).uniform_(-0.05, 0.05).half()
        for name, shape in shapes(entry.kind, entry.encoders[scale], size).items()
    }
    torch.save(state, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps({"model_type": "evf", "sam_scale": scale}))
    shutil.copy(VOCABULARY, folder / "sentencepiece.bpe.model")


def write_samwise(folder: Path) -> None:
    """Writes SAMWISE's weights and a tokenizer."""
    from systems.tiny_samwise import shapes, tiny_roberta_tokenizer

    with torch.device("meta"):
        found = shapes(Samwise(sam2_hiera_base_plus()))
    state = {name: torch.empty(shape).uniform_(0.01, 0.05) for name, shape in found.items()}
    torch.save({"model": state}, folder / "samwise.pth")
    tiny_roberta_tokenizer(folder)


def segment(system: str, folder: Path, frames: int, sentences: int) -> Callable[[], int]:
    """Makes the run to measure: frames of noise, one at a time."""
    options = {"weights": folder / "samwise.pth", "tokenizer": folder} if system == "samwise" else {"weights": folder}
    built = SYSTEMS.build(system, **options)
    for weight in built.model.parameters():
        weight.sum()  # files are mapped: what is read only now would count

    def run() -> int:
        random = np.random.default_rng(0)
        video = (random.integers(0, 256, (1, HEIGHT, WIDTH, 3), dtype=np.uint8) for _ in range(frames))
        return sum(int(found.masks.sum()) for found in built.stream(video, SENTENCES[:sentences]))

    return run


def main() -> None:
    options = parser(__doc__, rounds=3)
    options.add_argument("--systems", nargs="+", default=["clipseg"], choices=["clipseg", "sam3", "samwise", *EVF])
    options.add_argument("--frames", type=int, default=2)
    options = options.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for system in options.systems:
        with TemporaryDirectory() as folder:
            write(system, Path(folder))
            first = 0.0
            for sentences in (1, 3):
                memory, seconds = memory_and_time(
                    options.rounds, segment, system, Path(folder), options.frames, sentences
                )
                first = first or seconds
                rows.append(
                    {
                        "label": f"{system}, {sentences} sentence{'s' if sentences > 1 else ''}",
                        "frame_seconds": seconds / options.frames,
                        "GB_beside_weights": memory * 2**20 / 1e9,
                        "ratio": seconds / first,
                    }
                )
    claim = f"time for frames of {HEIGHT} x {WIDTH}: three sentences against one"
    report("pretrained_systems", claim, options, rows)


if __name__ == "__main__":
    main()
