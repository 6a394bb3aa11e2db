"""RefShapes in the format of Ref-YouTube-VOS."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from refsam_zoo.types import Referral


def write_refer_youtube_vos(root: Path, shapes: Sequence[Referral]) -> None:
    """The sentences about single objects as train, the same without ids as valid, with masks of every second frame."""
    for split, truth in (("train", True), ("valid", False)):
        videos: dict[str, Any] = {}
        for referral in shapes:
            if len(referral.object_ids) != 1:
                continue
            video = videos.setdefault(referral.video_id, {"expressions": {}, "frames": list(referral.frames)})
            said = {"exp": referral.expression, **({"obj_id": str(referral.object_ids[0])} if truth else {})}
            video["expressions"][referral.expression_id] = said
            if not truth:
                write_local_truth(referral, root / split / "Annotations" / referral.video_id / referral.expression_id)
        source = shapes[0].source.path.parents[1]
        for video_id in videos:
            for kind in ("JPEGImages", "Annotations") if truth else ("JPEGImages",):
                shutil.copytree(source / kind / video_id, root / split / kind / video_id)
        folder = root / "meta_expressions" / split
        folder.mkdir(parents=True)
        (folder / "meta_expressions.json").write_text(json.dumps({"videos": videos}))


def write_local_truth(referral: Referral, folder: Path) -> None:
    """Masks of every second frame, as the local evaluators of the field read them."""
    folder.mkdir(parents=True)
    assert referral.masks is not None
    for frame, mask in zip(referral.frames[::2], referral.masks.read(range(0, 6, 2), (64, 64)), strict=True):
        Image.fromarray(mask.astype(np.uint8) * 255).save(folder / f"{frame}.png")


def copy_ref_shapes(root: Path, shapes: Sequence[Referral]) -> None:
    """RefShapes as it is."""
    shutil.copytree(shapes[0].source.path.parents[2], root, dirs_exist_ok=True)
