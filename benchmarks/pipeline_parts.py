"""What the mask and write stages of the pipeline consist of: processor time of their parts, per frame.

Of masks: the matrix products and attention of the decoder alone, with its own sizes and operands, and what their
arithmetic would take at the speed of the largest product. Of writing: the film, drawing it, and the PNG files of masks.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from encode_once import SENTENCES
from measure import interleaved, parser, report
from official import SIZES, our_model
from pipeline import MASK, Stages, operations, write_video
from torch.utils._python_dispatch import TorchDispatchMode

from refsam_zoo.inference.mask_folder import encode_mask
from refsam_zoo.inference.overlay_video import OverlayVideoWriter

LARGEST = 1024
_ATEN = torch.ops.aten
PRODUCTS = {
    *(_ATEN.linear.default, _ATEN.matmul.default, _ATEN.addmm.default, _ATEN.mm.default, _ATEN.bmm.default),
    *(_ATEN.baddbmm.default, _ATEN.scaled_dot_product_attention.default, _ATEN.conv2d.default),
}
"""Operations as inference mode hands them on, whole."""


class Products(TorchDispatchMode):
    """Remembers the matrix products and attentions inside, to do them again alone."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[Callable[[], object]] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in PRODUCTS:
            self.made.append(lambda: function(*args, **(kwargs or {})))
        return function(*args, **(kwargs or {}))

    def again(self) -> None:
        for product in self.made:
            product()


def mask_parts(stages: Stages) -> dict[str, Callable[[], object]]:
    with Products() as products:
        stages.mask()
    return {"mask": stages.mask, "mask: its products alone": products.again}


def write_parts(stages: Stages, folder: Path) -> dict[str, Callable[[], object]]:
    masks = [MASK] * len(stages.sentences)

    def film() -> None:
        with OverlayVideoWriter(folder / "parts.mp4", stages.overlay.size, 25) as film:
            for picture in stages.pictures:
                film.write(picture)

    return {
        "write": stages.write,
        "write: libx264": film,
        "write: drawing": lambda: [stages.overlay.draw(frame, np.stack(masks)) for frame in stages.frames],
        "write: PNG files": lambda: [encode_mask(mask) for _ in stages.frames for mask in masks],
    }


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--model", default="vit_b", choices=SIZES)
    arguments.add_argument("--image_size", type=int, default=256)
    arguments.add_argument("--frames", type=int, default=3)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    model, rows, square = our_model(options.model, options.image_size), [], torch.randn(LARGEST, LARGEST)
    with tempfile.TemporaryDirectory() as name, torch.inference_mode():
        video = Path(name, "clip.mp4")
        write_video(video, options.frames)
        for count in (1, 4):
            stages = Stages(model, video, SENTENCES[:count])
            runs = {**mask_parts(stages), **write_parts(stages, Path(name)), "product": lambda: square @ square}
            seconds = interleaved(runs, options.rounds, clock=time.process_time)
            speed = 2 * LARGEST**3 / seconds.pop("product")
            seconds["mask: arithmetic at full speed"] = operations(stages.mask) / speed
            for part in sorted(seconds):
                stage, _, _ = part.partition(":")
                row = {"label": f"{part}, {count} sentences", "ms": 1e3 * seconds[part] / options.frames}
                rows.append({**row, "ratio": seconds[part] / seconds[stage]})
    claim = f"{options.model} {options.image_size}, 480p: share of the stage's processor time per frame"
    report("pipeline_parts", claim, options, rows)


if __name__ == "__main__":
    main()
