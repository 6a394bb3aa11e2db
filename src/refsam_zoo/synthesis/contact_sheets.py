"""A page of examples: what a split asks, and of which objects."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from refsam_zoo.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_TILE, _CAPTION, _GAP = 256, 44, 8


def contact_sheet(root: Path, split: str, output: Path, videos: int = 6, columns: int = 5) -> None:
    """Draws the first videos of a split, a row each and a tile for each expression.

    A tile is a frame with the targets outlined and their ways through the whole video as lines that end in a dot;
    below it the sentence and its kind. It is made from the files alone.

    Args:
        root: A RefShapes data set.
        split: Which of its splits.
        output: The PNG to write.
        videos: Rows.
        columns: Most expressions of one video to show.

    Raises:
        InputError: The split is not there.
    """
    from PIL import Image

    index = Path(root) / "meta_expressions" / split / "meta_expressions.json"
    if not index.is_file():
        raise InputError(f"{index}: not found; is {root} a RefShapes data set with a split {split}?")
    rows = list(json.loads(index.read_text(encoding="utf-8"))["videos"].items())[:videos]
    columns = min(columns, max(len(entry["expressions"]) for _, entry in rows))
    width, height = _TILE + _GAP, _TILE + _CAPTION
    sheet = Image.new("RGB", (columns * width + _GAP, len(rows) * height + _GAP), "white")
    for row, (video, entry) in enumerate(rows):
        frames, labels = _load(Path(root) / split, video, entry["frames"])
        for column, expression in enumerate(list(entry["expressions"].values())[:columns]):
            masks = [labels == int(number) for number in expression["obj_ids"]]
            tile = _captioned(_outlined(frames, masks), expression["exp"], expression["kind"])
            sheet.paste(tile, (column * width + _GAP, row * height + _GAP))
    temporary = Path(output).with_name(f".{Path(output).name}")
    sheet.save(temporary, format="PNG")
    os.replace(temporary, output)


def _load(folder: Path, video: str, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Reads a video at the tile's size: RGB, uint8 `[T, tile, tile, 3]`, and ids, uint8 `[T, tile, tile]`."""
    from PIL import Image

    size = (_TILE, _TILE)
    frames = [Image.open(folder / "JPEGImages" / video / f"{name}.jpg").resize(size) for name in names]
    labels = [Image.open(folder / "Annotations" / video / f"{name}.png").resize(size) for name in names]
    return np.stack([np.asarray(frame) for frame in frames]), np.stack([np.asarray(label) for label in labels])


def _outlined(frames: np.ndarray, masks: list[np.ndarray]) -> np.ndarray:
    """Draws targets (a list of bool `[T, H, W]`) into a frame near the middle in which they show well."""
    import cv2

    areas = np.sum(masks, axis=(0, 2, 3)) if masks else np.ones(len(frames))
    shown = np.flatnonzero(4 * areas >= areas.max())
    middle = shown[np.abs(shown - len(frames) // 2).argmin()]
    picture = frames[middle].copy()
    for mask in masks:
        outline, _ = cv2.findContours(mask[middle].astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outline, -1, (0, 0, 0), 4, cv2.LINE_AA)
        cv2.drawContours(picture, outline, -1, (255, 255, 255), 2, cv2.LINE_AA)
        way = np.array([np.argwhere(part).mean(axis=0)[::-1] for part in mask if part.any()]).round().astype(int)
        cv2.polylines(picture, [way], False, (0, 0, 0), 2, cv2.LINE_AA)
        cv2.circle(picture, way[-1].tolist(), 4, (0, 0, 0), -1, cv2.LINE_AA)
    return picture


def _captioned(picture: np.ndarray, sentence: str, kind: str) -> Picture:
    from PIL import Image, ImageDraw, ImageFont

    tile = Image.new("RGB", (_TILE, _TILE + _CAPTION), "white")
    tile.paste(Image.fromarray(picture))
    draw = ImageDraw.Draw(tile)
    draw.text((2, _TILE + 2), sentence, fill="black", font=ImageFont.load_default(13))
    draw.text((2, _TILE + 20), kind, fill="gray", font=ImageFont.load_default(11))
    return tile
