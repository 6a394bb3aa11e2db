"""The configuration files that are compositions, and how a small one is made of each."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from jsonargparse import ArgumentParser
from small_sam2 import SmallSam2

from refsam_zoo.ablations.runs import BASES
from refsam_zoo.clips.clips import collate
from refsam_zoo.options.base_files import files_in_order
from refsam_zoo.training.module import ReferringSegmentation
from refsam_zoo.types import Clip, ClipBatch, Referral, VideoSource

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
BASE = CONFIGS / "vit_b.yaml"
SMALL = sorted([*CONFIGS.glob("variants/*.yaml"), *CONFIGS.glob("ablations/*/*.yaml")])
SMALL = [path for path in SMALL if path.parent.name != "image_encoder"]
PRESETS = [CONFIGS / "reproduction.yaml", CONFIGS / "refsam_plus.yaml"]
SMALL_ENCODERS = {
    "model": {"image_encoder": {"class_path": "vit_tiny", "init_args": {"image_size": 96}}, "text_encoder": "clip_tiny"}
}


def model_parser() -> ArgumentParser:
    """Makes a parser of what `fit` takes as `model`."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(ReferringSegmentation, "model")
    # what the command line sets too
    parser.set_defaults(
        {
            "model.text_tuner": "frozen",
            "model.cross_modal": "CrossModalMLP",
            "model.mask_decoder": "sam_decoder",
            "model.loss": "MaskLoss",
            "model.alignment": "AlignmentLoss",
        }
    )
    return parser


def models_of(path: Path) -> list[dict[str, Any]]:
    """The model's options in the files that a file starts from, and its own at last."""
    files = files_in_order(path, lambda file: dict(yaml.safe_load(file.read_text(encoding="utf-8"))))
    return [{"model": options.get("model", {})} for _, options in files]


def model_of(path: Path) -> dict[str, Any]:
    """The model's options in a file itself."""
    return models_of(path)[-1]


def build(parser: ArgumentParser, *parts: Path | dict[str, Any], device: str = "cpu") -> ReferringSegmentation:
    """Merges files as several `--config` are merged."""
    config = None
    for part in chain.from_iterable([part] if isinstance(part, dict) else models_of(part) for part in parts):
        config = parser.parse_object(part, config)
    torch.manual_seed(0)
    with torch.device(device):
        return parser.instantiate(config).model


def small_base(path: Path) -> list[Path | dict[str, Any]]:
    """What a small composition is put behind."""
    if path.parent.name == "variants":
        return [CONFIGS / "vit_b.yaml", SMALL_ENCODERS]
    return [ROOT / base for base in BASES[:2]]  # without pretrained encoders


def moving_box(*seeds: int) -> ClipBatch:
    """Clips of two frames with a sentence, as a loader gives them."""
    return collate([_clip(seed) for seed in seeds])


def _clip(seed: int) -> Clip:
    masks = np.zeros((1, 2, 32, 48), bool)
    masks[0, 0, 8:20, 8:20] = masks[0, 1, 8:20, 12:24] = True
    frames = np.random.default_rng(seed).integers(0, 256, (2, 32, 48, 3), dtype=np.uint8)
    referral = Referral(f"video {seed}", "0", "the red circle", (1,), ("0", "1"), VideoSource(Path("video.mp4")))
    return Clip(frames, referral.frames, (referral,), (referral.expression,), masks, objects=masks)


def in_small(path: Path) -> list[Path | dict[str, Any]]:
    """What a composition that can be trained is made of, on the smallest encoders."""
    small: dict[str, Any] = {
        "image_encoder": {"class_path": "vit_tiny", "init_args": {"image_size": 32, "embedding_width": 64}},
        "text_encoder": "clip_tiny",
    }
    if path.stem.startswith("sam2"):
        decoder = {"class_path": "sam2_decoder", "init_args": {"width": SmallSam2.embedding_width, "mlp_width": 64}}
        small |= {"mask_decoder": decoder}
        small["image_encoder"] = {"class_path": "small_sam2.SmallSam2", "init_args": {"image_size": 64}}
    return [*(() if path.parent == CONFIGS else small_base(path)), path, {"model": small}]


def changes_the_base(variant: Path) -> bool:
    return any(model_of(BASE)["model"].get(part) != value for part, value in model_of(variant)["model"].items())


# vit_l and vit_h differ from vit_b in nothing but the encoder, which is replaced here
TRAINED = [*filter(changes_the_base, sorted(CONFIGS.glob("variants/*.yaml"))), *PRESETS, BASE, CONFIGS / "demo.yaml"]
# the paper's own ablations vary rates and depth, and combine parts of the variants
COMPOSITIONS = [*TRAINED, CONFIGS / "sam2_base_plus.yaml", *sorted(CONFIGS.glob("ablations/past_the_paper/*.yaml"))]
