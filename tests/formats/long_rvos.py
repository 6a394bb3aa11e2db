"""RefShapes in the format of Long-RVOS."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from refsam_zoo.types import Referral

TYPES = ("static", "dynamic", "hybrid")


def write_long_rvos(root: Path, shapes: Sequence[Referral]) -> None:
    """The sentences about single objects as train and valid, the same without ground truth as test."""
    chosen = [referral for referral in shapes if len(referral.object_ids) == 1]
    for split in ("train", "valid", "test"):
        videos: dict[str, Any] = {}
        for number, referral in enumerate(chosen):
            video = videos.setdefault(referral.video_id, {"frames": list(referral.frames), "expressions": {}})
            said = {"exp": referral.expression, "obj_id": referral.object_ids[0], "type": TYPES[number % 3]}
            video["expressions"][referral.expression_id] = said
            pictures = root / split / "JPEGImages" / referral.video_id
            if not pictures.exists():
                shutil.copytree(referral.source.path, pictures)
            if split != "test":
                _write_masks(referral, root / split / "Annotations" / referral.video_id / str(said["obj_id"]))
        types = {name: ["I", *"P" * (len(video["frames"]) - 1)] for name, video in videos.items()}
        (root / split / "frame_types.json").write_text(json.dumps(types))
        (root / split / "meta_expressions.json").write_text(json.dumps({"videos": videos}))


def _write_masks(referral: Referral, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    assert referral.masks is not None
    for frame, mask in zip(referral.frames, referral.masks.read(range(6), (64, 64)), strict=True):
        if mask.any():
            Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{frame}.png")
