"""Time and peak memory over the length of a video: `test` and `evaluate` on Long-RVOS with a video of 1000 frames.

The video is written in the data set's format: 240 x 426 pixels, an object that is away now and then, three sentences.
The model is the demo's, with random weights; what is measured is reading, segmenting, writing masks and scoring.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import simplejpeg
import torch
from lightning.pytorch import Trainer
from measure import memory_and_time, parser, report
from PIL import Image

from refsam_zoo.callbacks.masks import MaskWriter
from refsam_zoo.callbacks.scores import EvaluationCallback
from refsam_zoo.data_modules import LongRVOS
from refsam_zoo.external_masks import evaluate
from refsam_zoo.systems.predictor import Predictor
from refsam_zoo.training.system_module import SystemModule
from refsam_zoo.zoo import create_model

LENGTHS = (100, 1000)
HEIGHT, WIDTH = 240, 426
SENTENCES = {
    "static": "the red square",
    "dynamic": "what moves to the right",
    "hybrid": "the red square that comes back",
}


def write_video(root: Path, frames: int) -> None:
    """A square that moves over a gradient and is away in every third hundred of frames."""
    folder = root / "valid"
    pictures, masks = folder / "JPEGImages" / "long", folder / "Annotations" / "long" / "1"
    pictures.mkdir(parents=True)
    masks.mkdir(parents=True)
    ground = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH))[..., None] // np.array([8, 10, 12])
    names = [f"{number:05d}" for number in range(frames)]
    for number, name in enumerate(names):
        mask, picture = np.zeros((HEIGHT, WIDTH), np.uint8), (ground % 256).astype(np.uint8)
        left = 2 * number % (WIDTH - 60)
        if number // 100 % 3 < 2:
            mask[90:150, left : left + 60] = 255
            picture[mask > 0] = (220, 30, 30)
            Image.fromarray(mask).save(masks / f"{name}.png")
        (pictures / f"{name}.jpg").write_bytes(simplejpeg.encode_jpeg(picture, quality=90))
    said = {
        str(number): {"exp": text, "obj_id": 1, "type": kind} for number, (kind, text) in enumerate(SENTENCES.items())
    }
    meta = {"videos": {"long": {"frames": names, "expressions": said}}}
    (folder / "meta_expressions.json").write_text(json.dumps(meta))
    (folder / "frame_types.json").write_text(json.dumps({"long": ["I"] + ["P"] * (frames - 1)}))


def test(root: Path) -> Callable[[], object]:
    """Makes the run of `test`, which segments the video, counts pixels and writes masks to a new folder."""
    torch.manual_seed(0)
    system = Predictor(create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen"))

    def run() -> object:
        folder = Path(tempfile.mkdtemp(dir=root.parent))
        trainer = Trainer(
            accelerator="cpu",
            default_root_dir=folder,
            callbacks=[EvaluationCallback(), MaskWriter(folder / "masks")],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        return trainer.test(SystemModule(system), datamodule=LongRVOS(root, workers=0, text_blind=False), verbose=False)

    return run


def score(root: Path) -> Callable[[], object]:
    """Makes the run of `evaluate` on the masks that the run of `test` has written."""
    masks = max(root.parent.glob("tmp*/masks"), key=lambda path: path.stat().st_mtime)
    return lambda: evaluate(masks, "long_rvos", root)


def main() -> None:
    options = parser(__doc__, rounds=1).parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for frames in LENGTHS:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name) / "long_rvos"
            write_video(root, frames)
            for label, function in (("test", test), ("evaluate", score)):
                peak, seconds = memory_and_time(options.rounds, function, root)
                facts = {"frames": frames, "ratio": peak, "peak_MiB": peak, "seconds": seconds}
                rows.append({"label": f"{label}, {frames} frames", **facts, "ms_per_frame": 1000 * seconds / frames})
    report("long_videos", "MiB of memory at the peak, above what model and libraries take", options, rows)


if __name__ == "__main__":
    main()
