"""A page of examples: what the sentences of a data set ask for, and which pixels they mean."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from refsam_zoo.clips.reading import read_clip
from refsam_zoo.types import Referral

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_TILE, _CAPTION, _GAP = 256, 44, 8
_FRAMES = 16
RED = (214, 39, 40)
"""Colour of everything that is said about a fault."""


@dataclass(frozen=True)
class Fault:
    """The first thing that is wrong with the frames or masks of a referral.

    Attributes:
        position: Position in `Referral.frames`.
        in_mask: Whether the mask is at fault; the frame otherwise.
    """

    position: int
    in_mask: bool


@dataclass(frozen=True)
class Tile:
    """One sentence on the sheet: a picture, RGB, uint8 `[h, w, 3]`, and what stands below it."""

    picture: np.ndarray
    sentence: str
    names: str
    faulty: bool = False


def draw_contact_sheet(
    videos: Sequence[Sequence[Referral]], columns: int = 5, faults: Sequence[Sequence[Fault | None]] | None = None
) -> bytes:
    """Draws a tile for each of the first sentences of each video, packed into columns of equal width.

    A tile is a frame with the target outlined and its way through the video as a line that ends in a dot; below it the
    sentence and the names of video and frame. At most 16 frames of a video are read. A tile with a fault shows the
    frame in question crossed out in red.

    Args:
        videos: Referrals grouped by video, at least one video.
        columns: Most columns, and most sentences of one video to show.
        faults: What is known to be wrong with each referral; nothing if not given.

    Returns:
        A PNG file.

    Raises:
        InputError: A frame or mask is missing or damaged that is not among the faults.
    """
    from PIL import Image

    tiles: list[Tile] = []
    for number, referrals in enumerate(videos):
        known = [None] * len(referrals) if faults is None else faults[number]
        tiles += _tiles(referrals[:columns], known[:columns])
    places, (height, width) = _packed([tile.picture.shape[0] + _CAPTION for tile in tiles], columns)
    sheet = Image.new("RGB", (width, height), "white")
    for tile, place in zip(tiles, places, strict=True):
        sheet.paste(_captioned(tile), place)
    content = io.BytesIO()
    sheet.save(content, format="PNG")
    return content.getvalue()


def _packed(heights: Sequence[int], columns: int) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Left and top of each tile, put into the column that is the shortest so far, and height and width of the sheet."""
    rows = -(-len(heights) // columns)
    bottoms = [_GAP] * -(-len(heights) // rows)  # as many columns as fill that many rows
    places = []
    for height in heights:
        column = bottoms.index(min(bottoms))
        places.append((column * (_TILE + _GAP) + _GAP, bottoms[column]))
        bottoms[column] += height
    return places, (max(bottoms), len(bottoms) * (_TILE + _GAP) + _GAP)


def _tiles(referrals: Sequence[Referral], faults: Sequence[Fault | None]) -> list[Tile]:
    sound = [referral for referral, fault in zip(referrals, faults, strict=True) if fault is None]
    tiles = iter(_sound_tiles(sound) if sound else [])
    return [
        next(tiles) if fault is None else _faulty_tile(referral, fault)
        for referral, fault in zip(referrals, faults, strict=True)
    ]


def _sound_tiles(referrals: Sequence[Referral]) -> list[Tile]:
    length = len(referrals[0].frames)
    positions = np.unique(np.linspace(0, length - 1, _FRAMES).round().astype(int)).tolist()
    clip = read_clip(referrals, positions)
    tiles = []
    for number, sentence in enumerate(clip.expressions):
        masks = np.zeros(clip.frames.shape[:3], bool) if clip.masks is None else clip.masks[number]
        shown = _clearest(masks)
        picture = _outlined(_fit(clip.frames[shown], cv2.INTER_AREA), np.stack([_fit(mask) for mask in masks]), shown)
        tiles.append(Tile(picture, sentence, f"{referrals[0].video_id} / {clip.frame_names[shown]}"))
    return tiles


def _faulty_tile(referral: Referral, fault: Fault) -> Tile:
    picture = np.full((_TILE // 2, _TILE, 3), 200, np.uint8)
    if fault.in_mask:
        picture = _fit(read_clip([replace(referral, masks=None)], [fault.position]).frames[0], cv2.INTER_AREA)
    height, width = picture.shape[:2]
    corners = ((0, 0), (width - 1, height - 1)), ((0, height - 1), (width - 1, 0))
    for start, end in corners:
        cv2.line(picture, start, end, RED, 2, cv2.LINE_AA)
    cv2.rectangle(picture, (1, 1), (width - 2, height - 2), RED, 3)
    what = "mask" if fault.in_mask else "frame"
    names = f"{referral.video_id} / {referral.frames[fault.position]}: broken {what}"
    return Tile(picture, referral.expression, names, faulty=True)


def _fit(picture: np.ndarray, interpolation: int = cv2.INTER_NEAREST) -> np.ndarray:
    """Resizes a picture or mask to the width of a tile, or to twice that in height if it is a tall one."""
    height, width = picture.shape[:2]
    scale = min(_TILE / width, 2 * _TILE / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return cv2.resize(picture.astype(np.uint8), size, interpolation=interpolation)


def _clearest(masks: np.ndarray) -> int:
    """The frame nearest to the middle in which the target (bool `[T, H, W]`) shows well."""
    areas = masks.sum(axis=(1, 2))
    shown = np.flatnonzero(4 * areas >= areas.max())
    return int(shown[np.abs(shown - len(masks) // 2).argmin()])


def _outlined(picture: np.ndarray, masks: np.ndarray, shown: int) -> np.ndarray:
    """Draws a target (uint8 `[T, h, w]`) into the frame `shown`, RGB, uint8 `[h, w, 3]`."""
    if not masks.any():
        return picture
    outline, _ = cv2.findContours(masks[shown], cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture, outline, -1, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.drawContours(picture, outline, -1, (255, 255, 255), 2, cv2.LINE_AA)
    way = np.array([np.argwhere(part).mean(axis=0)[::-1] for part in masks if part.any()]).round().astype(int)
    cv2.polylines(picture, [way], False, (0, 0, 0), 2, cv2.LINE_AA)
    cv2.circle(picture, way[-1].tolist(), 4, (0, 0, 0), -1, cv2.LINE_AA)
    return picture


def _captioned(tile: Tile) -> Picture:
    from PIL import Image, ImageDraw, ImageFont

    height = tile.picture.shape[0]
    picture = Image.new("RGB", (_TILE, height + _CAPTION), "white")
    picture.paste(Image.fromarray(tile.picture))
    draw = ImageDraw.Draw(picture)
    draw.text((2, height + 2), tile.sentence, fill="black", font=ImageFont.load_default(13))
    draw.text((2, height + 20), tile.names, fill=RED if tile.faulty else "gray", font=ImageFont.load_default(11))
    return picture
