"""RefShapes in the formats of ReasonVOS, GroundMoRe and InterRVOS-127K."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from formats.mevis import annotate
from PIL import Image

from refsam_zoo.types import Referral

TYPES = ("Causal", "Sequential", "Counterfactual", "Descriptive")


def single(shapes: Sequence[Referral]) -> list[Referral]:
    return [referral for referral in shapes if len(referral.object_ids) == 1]


def write_reason_vos(root: Path, shapes: Sequence[Referral]) -> None:
    """The official layout; of every object the first five frames have a picture."""
    videos: dict[str, Any] = {}
    for referral in single(shapes):
        number = referral.object_ids[0]
        video = videos.setdefault(referral.video_id, {"source": "MOSE", "frames": list(referral.frames)})
        said = {"obj_id": number, "exp_id": int(referral.expression_id), "exp_text": referral.expression, "is_sent": 1}
        video.setdefault("expressions", []).append(said)
        shutil.copytree(referral.source.path, root / "JPEGImages" / referral.video_id, dirs_exist_ok=True)
        folder = root / "Annotations" / f"MOSE_{referral.video_id}_{number}"
        folder.mkdir(parents=True, exist_ok=True)
        assert referral.masks is not None
        for frame, mask in zip(referral.frames[:5], referral.masks.read(range(5), (64, 64)), strict=True):
            Image.fromarray(mask.astype(np.uint8)).save(folder / f"{frame}.png")
    (root / "meta_expressions.json").write_text(json.dumps({"videos": videos}))


def write_reordered_reason_vos(root: Path, shapes: Sequence[Referral]) -> None:
    """The copy `_v2`, sentences by id and objects in lists."""
    write_reason_vos(root, shapes)
    file = root / "meta_expressions.json"
    videos = json.loads(file.read_text())["videos"]
    for video_id, video in videos.items():
        video["expressions"] = {
            str(said["exp_id"]): {
                "exp": said["exp_text"],
                "obj_id": [said["obj_id"]],
                "anno_id": [f"MOSE_{video_id}_{said['obj_id']}"],
            }
            for said in video["expressions"]
        }
    file.unlink()
    (root / "meta_expressions_v2.json").write_text(json.dumps({"videos": videos}))


def write_groundmore(root: Path, shapes: Sequence[Referral]) -> None:
    """Clips that begin at 1:05 and go on for 5 seconds, their 6 frames 5 times; the action is from 1:06 to 1:08."""
    for split in ("trainval", "test"):
        videos: dict[str, Any] = {}
        for number, referral in enumerate(single(shapes)):
            name = f"{referral.video_id}_0105_0110"
            folder = root / "annotations" / name
            if not folder.exists():
                copy_five_times(referral, folder)
            asked = {"question": referral.expression, "answer": "a shape", "obj_id": str(referral.object_ids[0])}
            when = {"action_start": "1:06", "action_end": "01:08", "q_type": TYPES[number % 4]}
            questions = videos.setdefault(name, {"questions": {}})["questions"]
            questions[referral.expression_id] = asked | when
        (root / f"{split}_v2.json").write_text(json.dumps({"videos": videos}))


def copy_five_times(referral: Referral, folder: Path) -> None:
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    ids = referral.source.path.parents[1] / "Annotations" / referral.video_id
    for place in range(30):
        frame = referral.frames[place % 6]
        shutil.copy(referral.source.path / f"{frame}.jpg", folder / "images" / f"{place:05d}.jpg")
        shutil.copy(ids / f"{frame}.png", folder / "masks" / f"frame_{place:06d}.png")


def write_inter_rvos(root: Path, shapes: Sequence[Referral]) -> None:
    """The first object that a sentence names acts on the others."""
    for split in ("train", "val"):
        sentences, masks = annotate([referral for referral in shapes if referral.object_ids])
        for video in sentences["videos"].values():
            for said in video["expressions"].values():
                ids = {key: said.pop(key) for key in ("obj_id", "anno_id")}
                said["subject/object"] = {
                    key: {"subject": numbers[:1], "object": numbers[1:] or None} for key, numbers in ids.items()
                }
                said["caption_type"] = "unidirectional"
        folder = root / split
        folder.mkdir(parents=True)
        (folder / "meta_expressions.json").write_text(json.dumps(sentences))
        (folder / "mask_dict.json").write_text(json.dumps(masks))
        for source in {referral.source.path for referral in shapes if referral.object_ids}:
            shutil.copytree(source, folder / "JPEGImages" / source.name)
