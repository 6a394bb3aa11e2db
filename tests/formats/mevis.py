"""RefShapes in the format of MeViS, which ReVOS, LV-VIS and Ref-SAV share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from pycocotools import mask as coco

from refsam_zoo.clips.reading import group_by_video, read_clip
from refsam_zoo.types import Referral
from refsam_zoo.video.masks import PaletteMasks


def encode(mask: np.ndarray) -> dict[str, Any] | None:
    if not mask.any():
        return None
    run_lengths = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(run_lengths["size"]), "counts": run_lengths["counts"].decode()}


def annotate(shapes: Sequence[Referral]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two JSON files: sentences, and masks of every object named in any of them."""
    numbers: dict[tuple[str, int], int] = {}
    masks: dict[str, Any] = {}
    videos: dict[str, Any] = {}
    for referral in shapes:
        assert isinstance(referral.masks, PaletteMasks)
        video = videos.setdefault(referral.video_id, {"expressions": {}, "frames": list(referral.frames)[::-1]})
        for object_id in referral.object_ids:
            key = (referral.video_id, object_id)
            if key not in numbers:
                numbers[key] = len(numbers) + 100
                one = PaletteMasks(referral.masks.folder, referral.frames, (object_id,))
                masks[str(numbers[key])] = [encode(mask) for mask in one.read(range(6), (64, 64))]
        video["expressions"][referral.expression_id] = {
            "exp": referral.expression,
            "obj_id": [object_id - 1 for object_id in referral.object_ids],
            "anno_id": [numbers[referral.video_id, object_id] for object_id in referral.object_ids],
        }
    return {"videos": videos}, masks


def write(shapes: Sequence[Referral], expressions: Path, masks: Path, pictures: Path) -> None:
    expressions.parent.mkdir(parents=True, exist_ok=True)
    sentences, run_lengths = annotate(shapes)
    expressions.write_text(json.dumps(sentences))
    masks.write_text(json.dumps(run_lengths))
    for source in {referral.source.path for referral in shapes}:
        shutil.copytree(source, pictures / source.name)


def write_mevis(root: Path, shapes: Sequence[Referral]) -> None:
    for split in ("train", "valid_u"):
        folder = root / split
        write(shapes, folder / "meta_expressions.json", folder / "mask_dict.json", folder / "JPEGImages")


def write_mevis_v2(root: Path, shapes: Sequence[Referral]) -> None:
    for split in ("train", "valid_u"):
        folder = root / split
        write(shapes, folder / "meta_expressions_v2.json", folder / "mask_dict.json", folder / "JPEGImages")


def write_lv_vis(root: Path, shapes: Sequence[Referral]) -> None:
    folder = root / "train"
    write(shapes, folder / "meta_expressions.json", folder / "mask_dict.json", folder / "JPEGImages")


def write_revos(root: Path, shapes: Sequence[Referral]) -> None:
    write(shapes, root / "meta_expressions_valid_.json", root / "mask_dict.json", root / "JPEGImages")


def write_fevos(root: Path, shapes: Sequence[Referral]) -> None:
    write(shapes, root / "meta_expressions_val.json", root / "mask_dict.json", root / "JPEGImages")


def write_ref_sav(root: Path, shapes: Sequence[Referral]) -> None:
    """Every frame four times in a video file, the annotated ones named by their number in it."""
    sentences, masks = annotate(shapes)
    videos = {}
    for number, referrals in enumerate(group_by_video(shapes)):
        name = f"sav_{number:03d}345"
        file = root / "videos" / name[: len("sav_000")] / f"{name}.mp4"
        file.parent.mkdir(parents=True)
        with av.open(str(file), "w") as container:
            stream = container.add_stream("mpeg4", rate=24, options={"qscale": "2"})
            stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
            for picture in np.repeat(read_clip(referrals[:1], range(6)).frames, 4, axis=0):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        videos[name] = sentences["videos"][referrals[0].video_id]
        videos[name]["frames"] = [f"{4 * number:05d}" for number in range(6)]
        for said in videos[name]["expressions"].values():
            said["type_id"] = 1
    (root / "meta_expressions_valid.json").write_text(json.dumps({"videos": videos}))
    (root / "mask_dict.json").write_text(json.dumps(masks))
