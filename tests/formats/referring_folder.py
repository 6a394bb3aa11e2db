"""RefShapes as a folder of videos with a table of sentences."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from refsam_zoo.types import Referral


def write_table(root: Path, rows: list[dict[str, str]], form: str = "csv") -> None:
    if form == "json":
        (root / "annotations.json").write_text(json.dumps(rows))
        return
    with (root / "annotations.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def copy_video(root: Path, referral: Referral, kind: str) -> dict[str, str]:
    """Copies a video and its masks and gives its cells in the table."""
    split, video = referral.source.path.parents[1], referral.video_id
    if kind == "mp4":
        (root / "videos").mkdir(exist_ok=True)
        shutil.copy(split / "Videos" / f"{video}.mp4", root / "videos")
        name = f"videos/{video}.mp4"
    else:
        shutil.copytree(referral.source.path, root / "videos" / video, dirs_exist_ok=True)
        name = f"videos/{video}"
    shutil.copytree(split / "Annotations" / video, root / "masks" / video, dirs_exist_ok=True)
    return {"video": name, "mask": f"masks/{video}"}


def write_referring_folder(root: Path, shapes: Sequence[Referral], form: str = "csv") -> None:
    """Videos as files in a CSV table, as folders of frames in a JSON table."""
    rows = [
        {
            **copy_video(root, referral, "mp4" if form == "csv" else "frames"),
            "expression": referral.expression,
            "object_ids": " ".join(map(str, referral.object_ids)),
            "split": ("train", "val", "test")[number % 3],
        }
        for number, referral in enumerate(shapes)
        if referral.object_ids
    ]
    write_table(root, rows, form)


def write_json_referring_folder(root: Path, shapes: Sequence[Referral]) -> None:
    write_referring_folder(root, shapes, "json")
