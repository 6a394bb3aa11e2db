"""RefShapes in the two forms of Ref-DAVIS17."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from refsam_zoo.data_modules.ref_davis import TEXTS
from refsam_zoo.types import Referral

Videos = dict[str, dict[int, Referral]]


def pick(shapes: Sequence[Referral]) -> Videos:
    """For each video one sentence about each of some single objects."""
    videos: Videos = {}
    for referral in shapes:
        if len(referral.object_ids) == 1:
            videos.setdefault(referral.video_id, {}).setdefault(referral.object_ids[0], referral)
    return videos


def copy_frames(referral: Referral, pictures: Path, masks: Path) -> None:
    split = referral.source.path.parents[1]
    shutil.copytree(referral.source.path, pictures / referral.video_id)
    shutil.copytree(split / "Annotations" / referral.video_id, masks / referral.video_id)


def write_original(root: Path, videos: Videos, spelling: dict[str, str]) -> None:
    davis = root / "DAVIS"
    (davis / "ImageSets" / "2017").mkdir(parents=True)
    (davis / "ImageSets" / "2017" / "val.txt").write_text("\n".join(videos) + "\n")
    (root / "davis_text_annotations").mkdir()
    for annotator, (name, encoding) in enumerate(TEXTS):
        # The files list objects in any order and in the middle of other videos.
        lines = [
            f'{spelling.get(video, video)} {object_id} "{referral.expression}, said {annotator}"'
            for video, objects in videos.items()
            for object_id, referral in sorted(objects.items(), reverse=annotator % 2 == 1)
        ]
        (root / "davis_text_annotations" / name).write_text("\n".join(lines[::-1]) + "\n", encoding=encoding)
    for objects in videos.values():
        referral = next(iter(objects.values()))
        copy_frames(referral, davis / "JPEGImages" / "480p", davis / "Annotations_unsupervised" / "480p")


def write_converted(root: Path, videos: Videos) -> None:
    entries = {}
    for video, objects in videos.items():
        said = [(objects[number], annotator) for number in sorted(objects, key=str) for annotator in range(4)]
        expressions = {
            str(place): {"exp": f"{referral.expression}, said {annotator}", "obj_id": str(referral.object_ids[0])}
            for place, (referral, annotator) in enumerate(said)
        }
        entries[video] = {"expressions": expressions, "frames": list(said[0][0].frames)}
        copy_frames(said[0][0], root / "valid" / "JPEGImages", root / "valid" / "Annotations")
    (root / "meta_expressions" / "valid").mkdir(parents=True)
    (root / "meta_expressions" / "valid" / "meta_expressions.json").write_text(json.dumps({"videos": entries}))


def write_ref_davis(root: Path, shapes: Sequence[Referral]) -> None:
    """Both splits as they are downloaded."""
    write_original(root, pick(shapes), {})
    lists = root / "DAVIS" / "ImageSets" / "2017"
    (lists / "train.txt").write_text((lists / "val.txt").read_text())


def write_converted_ref_davis(root: Path, shapes: Sequence[Referral]) -> None:
    """Both splits as ReferFormer's tool leaves them."""
    write_converted(root, pick(shapes))
    shutil.copytree(root / "valid", root / "train")
    shutil.copytree(root / "meta_expressions" / "valid", root / "meta_expressions" / "train")
