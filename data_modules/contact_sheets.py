"""A page of examples: what the sentences of a data set ask for, and which pixels they mean."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from refsam_zoo.data_modules.clips import read_clip
from refsam_zoo.types import Referral

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_TILE, _CAPTION, _GAP = 256, 44, 8
_FRAMES = 16


def draw_contact_sheet(videos: Sequence[Sequence[Referral]], columns: int = 5) -> bytes:
    """Draws a row for each video and a tile for each of its first sentences.

    A tile is a frame with the target outlined and its way through the video as a line that ends in a dot; below it the
    sentence and the names of video and frame. At most 16 frames of a video are read.

    Args:
        videos: Referrals grouped by video, at least one video.
        columns: Most sentences of one video to show.

    Returns:
        A PNG file.

    Raises:
        InputError: A frame or mask is missing or damaged.
    """
    from PIL import Image

    columns = min(columns, max(map(len, videos)))
    width, height = _TILE + _GAP, _TILE + _CAPTION
    sheet = Image.new("RGB", (columns * width + _GAP, len(videos) * height + _GAP), "white")
    for row, referrals in enumerate(videos):
        for column, tile in enumerate(_tiles(referrals[:columns])):
            sheet.paste(tile, (column * width + _GAP, row * height + _GAP))
    content = io.BytesIO()
    sheet.save(content, format="PNG")
    return content.getvalue()


def _tiles(referrals: Sequence[Referral]) -> list[Picture]:
    length = len(referrals[0].frames)
    positions = np.unique(np.linspace(0, length - 1, _FRAMES).round().astype(int)).tolist()
    clip = read_clip(referrals, positions)
    tiles = []
    for number, sentence in enumerate(clip.expressions):
        masks = np.zeros(clip.frames.shape[:3], bool) if clip.masks is None else clip.masks[number]
        shown = _clearest(masks)
        picture = _outlined(_fit(clip.frames[shown], cv2.INTER_AREA), np.stack([_fit(mask) for mask in masks]), shown)
        tiles.append(_captioned(picture, sentence, f"{referrals[0].video_id} / {clip.frame_names[shown]}"))
    return tiles


def _fit(picture: np.ndarray, interpolation: int = cv2.INTER_NEAREST) -> np.ndarray:
    """Resizes a picture or mask so that its longer side is that of a tile."""
    height, width = picture.shape[:2]
    scale = _TILE / max(height, width)
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


def _captioned(picture: np.ndarray, sentence: str, names: str) -> Picture:
    from PIL import Image, ImageDraw, ImageFont

    tile = Image.new("RGB", (_TILE, _TILE + _CAPTION), "white")
    tile.paste(Image.fromarray(picture))
    draw = ImageDraw.Draw(tile)
    draw.text((2, _TILE + 2), sentence, fill="black", font=ImageFont.load_default(13))
    draw.text((2, _TILE + 20), names, fill="gray", font=ImageFont.load_default(11))
    return tile
