"""How many frames are in each output of `segment`, read as its users read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image


def json_file(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def pictures(folder: Path) -> int:
    """Every picture is whole, or Pillow raises."""
    found = sorted(folder.rglob("*.png"))
    for path in found:
        np.asarray(Image.open(path))
    return len(found)


def film_length(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def coco_length(path: Path) -> int:
    content = json_file(path)
    lengths = {len(one[key]) for one in content["annotations"] for key in ("segmentations", "bboxes", "areas")}
    (length,) = lengths | {len(content["videos"][0]["file_names"]), content["videos"][0]["length"]}
    return length


def per_sentence(folder: Path) -> int:
    """Frames that every sentence has a picture of."""
    pictures(folder)
    return min((len(list(sentence.iterdir())) for sentence in folder.glob("*/*")), default=0)


FRAMES: dict[str, Callable[[Path], int]] = {
    "masks": per_sentence,
    "cutouts": per_sentence,
    "indexed": pictures,
    "coco": coco_length,
    "labels": lambda folder: min(per_sentence(folder / "masks"), len(list(folder.glob("frames/*/*.jpg")))),
    "yolo": lambda folder: len(list(folder.glob("labels/*/*.txt"))),
    "polygons": lambda path: len(json_file(path)["frames"]),
    "tracks": lambda path: len(json_file(path)["frames"]),
    "overlay": film_length,
    "still": lambda path: pictures(path.parent),
}
"""Name of an output -> counts the frames in its file or folder; of a still, its pictures."""
