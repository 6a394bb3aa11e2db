"""RefShapes as labelling tools export it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refsam_zoo.inference.outlines import trace
from refsam_zoo.types import Referral
from refsam_zoo.video.masks import PaletteMasks
from refsam_zoo.video.run_lengths import RunLengths

sys.path.append(str(Path(__file__).parents[2] / "examples" / "label_studio"))
from regions import brush_rle

SIZE = (64, 64)


def named(shapes: Sequence[Referral]) -> dict[str, list[Referral]]:
    """The sentences that name something, once each, by video."""
    videos: dict[str, dict[str, Referral]] = {}
    for referral in shapes:
        if referral.object_ids:
            videos.setdefault(referral.video_id, {}).setdefault(referral.expression, referral)
    return {video: list(sentences.values()) for video, sentences in videos.items()}


def masks_of(referral: Referral) -> np.ndarray:
    assert isinstance(referral.masks, PaletteMasks)
    return referral.masks.read(range(6), SIZE)


def copy_frames(root: Path, referral: Referral) -> list[str]:
    """Copies a folder of frames and gives the names of their files below the root."""
    shutil.copytree(referral.source.path, root / referral.video_id, dirs_exist_ok=True)
    return [f"{referral.video_id}/{frame}.jpg" for frame in referral.frames]


def encoded(mask: np.ndarray) -> dict[str, Any]:
    return {"size": list(SIZE), "counts": RunLengths.of(mask).counts}


def outlines(mask: np.ndarray) -> list[list[list[int]]]:
    return [part[0] for part in trace(mask)]


def write_coco_folder(root: Path, shapes: Sequence[Referral]) -> None:
    """Pictures; sentences as CVAT's attribute, as a key and as the category in turn, polygons and run lengths too."""
    content: dict[str, Any] = {"images": [], "categories": [{"id": 1, "name": "thing"}], "annotations": []}
    for sentences in named(shapes).values():
        first = len(content["images"])
        for name in copy_frames(root, sentences[0]):
            content["images"].append({"id": len(content["images"]), "file_name": name, "width": 64, "height": 64})
        for number, referral in enumerate(sentences):
            said: dict[str, Any] = {"category_id": 1, "attributes": {"text": referral.expression, "occluded": False}}
            if number % 3 == 1:
                said = {"category_id": 1, "caption": referral.expression}
            if number % 3 == 2:
                said = {"category_id": len(content["categories"]) + 1}
                content["categories"].append({"id": said["category_id"], "name": referral.expression})
            for time, mask in enumerate(masks_of(referral)):
                flat = [[value for corner in part for value in corner] for part in outlines(mask)]
                one = {"id": len(content["annotations"]), "image_id": first + time, "iscrowd": number % 2}
                drawn = {"segmentation": encoded(mask) if number % 2 else flat}
                content["annotations"].append(one | said | drawn)
    (root / "annotations.json").write_text(json.dumps(content))


def write_youtube_vis_folder(root: Path, shapes: Sequence[Referral]) -> None:
    """Video files, whose frames go by their numbers, in the form of `segment --save coco`."""
    content: dict[str, Any] = {"videos": [], "categories": [], "annotations": []}
    for video, sentences in named(shapes).items():
        file = f"{video}.mp4"
        shutil.copy(sentences[0].source.path.parents[1] / "Videos" / file, root)
        names = [f"{file}/{number:05d}.jpg" for number in range(6)]
        content["videos"].append({"id": len(content["videos"]) + 1, "length": 6, "file_names": names})
        for referral in sentences:
            number = len(content["annotations"]) + 1
            content["categories"].append({"id": number, "name": referral.expression})
            found = [encoded(mask) if mask.any() else None for mask in masks_of(referral)]
            owner = {"video_id": len(content["videos"]), "category_id": number}
            content["annotations"].append({"id": number, **owner, "segmentations": found})
    (root / "annotations.json").write_text(json.dumps(content))


def write_label_studio_folder(root: Path, shapes: Sequence[Referral]) -> None:
    """A task for each picture; sentences in a text area, in `meta` and as the label in turn."""
    tasks: list[dict[str, Any]] = []
    for sentences in named(shapes).values():
        masks = [masks_of(referral) for referral in sentences]
        for time, name in enumerate(copy_frames(root, sentences[0])):
            results: list[dict[str, Any]] = []
            for number, referral in enumerate(sentences):
                region = {"id": f"r{number}", "original_width": 64, "original_height": 64}
                said = {"meta": {"text": [referral.expression]}} if number % 3 == 1 else {}
                label = [referral.expression if number % 3 == 2 else "thing"]
                if number % 3 == 0:
                    results.append({"id": f"r{number}", "type": "textarea", "value": {"text": [referral.expression]}})
                mask = masks[number][time]
                if number % 2:
                    value = {"format": "rle", "rle": brush_rle(mask), "brushlabels": label}
                    results.append({**region, **said, "type": "brushlabels", "value": value})
                    continue
                for part in outlines(mask):
                    points = [[100 * x / 64, 100 * y / 64] for x, y in part]
                    value = {"points": points, "polygonlabels": label}
                    results.append({**region, **said, "type": "polygonlabels", "value": value})
            data = {"image": f"/data/local-files/?d=somewhere/{name}"}
            tasks.append({"id": len(tasks), "data": data, "annotations": [{"result": results, "was_cancelled": False}]})
    (root / "annotations.json").write_text(json.dumps(tasks))


def write_x_anylabeling_folder(root: Path, shapes: Sequence[Referral]) -> None:
    """A file beside each picture; sentences as description and as label in turn."""
    for sentences in named(shapes).values():
        masks = [masks_of(referral) for referral in sentences]
        for time, name in enumerate(copy_frames(root, sentences[0])):
            drawn = [
                {
                    "label": "thing" if number % 2 else referral.expression,
                    "description": referral.expression if number % 2 else "",
                    "points": part,
                    "shape_type": "polygon",
                    "group_id": number,
                }
                for number, referral in enumerate(sentences)
                for part in outlines(masks[number][time])
            ]
            content = {"version": "2.5", "flags": {}, "shapes": drawn, "imagePath": Path(name).name}
            (root / name).with_suffix(".json").write_text(json.dumps(content))


def write_cvat_folder(root: Path, shapes: Sequence[Referral]) -> None:
    """A task with the first video file; polygons and masks, sentences as attribute and as label in turn."""
    video, sentences = next(iter(named(shapes).items()))
    shutil.copy(sentences[0].source.path.parents[1] / "Videos" / f"{video}.mp4", root)
    lines = ["<annotations><version>1.1</version><meta><task><size>6</size><start_frame>0</start_frame>"]
    lines += ["<stop_frame>5</stop_frame><frame_filter></frame_filter>"]
    lines += [f"<original_size><width>64</width><height>64</height></original_size><source>{video}.mp4</source>"]
    lines += ["</task></meta>"]
    for number, referral in enumerate(sentences):
        label = "thing" if number % 2 else referral.expression
        attribute = f'<attribute name="text">{referral.expression}</attribute>' if number % 2 else ""
        lines.append(f'<track id="{number}" label="{label}" source="manual">')
        for time, mask in enumerate(masks_of(referral)):
            where = f'frame="{time}" keyframe="1" outside="{int(not mask.any())}" occluded="0"'
            if number % 2:
                lines.append(f"<mask {where} {cvat_mask(mask)}>{attribute}</mask>")
                continue
            for part in outlines(mask) or [[[0, 0], [1, 0], [1, 1]]]:
                points = ";".join(f"{x:.2f},{y:.2f}" for x, y in part)
                lines.append(f'<polygon {where} points="{points}">{attribute}</polygon>')
        lines.append("</track>")
    (root / "annotations.xml").write_text("\n".join([*lines, "</annotations>"]))


def cvat_mask(mask: np.ndarray) -> str:
    """Run lengths of a box, row by row."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    top, left = (int(part[0]) if len(part) else 0 for part in (rows, columns))
    box = mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1] if len(rows) else np.zeros((1, 1), bool)
    pixels = np.concatenate([[False], box.ravel()])
    changes = np.flatnonzero(np.diff(pixels))
    runs = np.diff([0, *changes, box.size])
    lengths = ", ".join(map(str, runs))
    return f'rle="{lengths}" left="{left}" top="{top}" width="{box.shape[1]}" height="{box.shape[0]}"'


WRITERS: dict[str, Callable[[Path, Sequence[Referral]], None]] = {
    "coco_folder": write_coco_folder,
    "youtube_vis_folder": write_youtube_vis_folder,
    "label_studio_folder": write_label_studio_folder,
    "x_anylabeling_folder": write_x_anylabeling_folder,
    "cvat_folder": write_cvat_folder,
}
"""Name of an export -> what writes it."""
