"""Draws masks on frames: translucent colours with outlines, and below the frame which sentence has which colour."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

COLOURS = (
    (255, 82, 82),
    (64, 156, 255),
    (255, 200, 40),
    (46, 204, 113),
    (190, 110, 255),
    (255, 140, 50),
    (30, 210, 200),
    (255, 120, 200),
)
"""RGB of the expressions, in turn."""

OPACITY = 0.45
SMALLEST_SIDE = 360
"""Smaller frames are enlarged by a whole factor, so that the sentences below them can be read."""

STEPS = 8
"""Distances from a mask that are told apart, per pixel."""

BACKGROUND = (22, 24, 28)
TEXT = (235, 237, 240)


class Overlay:
    """Draws the frames of one video.

    Args:
        size: Height and width of the frames.
        expressions: The N sentences.

    Attributes:
        size: Height and width of the pictures, both even, as video codecs want.
    """

    def __init__(self, size: tuple[int, int], expressions: Sequence[str]) -> None:
        self._factor = max(1, -(-SMALLEST_SIDE // min(size)))
        height, width = size[0] * self._factor, size[1] * self._factor
        self._frame_size = height, width
        self._shading = shade(min(max(2.0, min(height, width) / 180), 20.0))
        legend = draw_legend(width + width % 2, max(14, round(min(height, width) / 26)), expressions)
        self._canvas = np.full((height + len(legend) + (height + len(legend)) % 2, legend.shape[1], 3), BACKGROUND)
        self._canvas = self._canvas.astype(np.uint8)
        self._canvas[height : height + len(legend)] = legend
        self.size = self._canvas.shape[:2]

    def draw(self, frame: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Draws a frame.

        Args:
            frame: RGB, uint8 `[H, W, 3]`.
            masks: bool `[N, H, W]`.

        Returns:
            RGB, uint8 `[*self.size, 3]`.
        """
        height, width = self._frame_size
        canvas = self._canvas.copy()
        picture = cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)
        for number, mask in enumerate(masks):
            if mask.any():
                self._paint(picture, mask, colour(number))
        canvas[:height, :width] = picture
        return canvas

    def _paint(self, picture: np.ndarray, mask: np.ndarray, rgb: tuple[int, int, int]) -> None:
        reach = 2 + np.count_nonzero(self._shading[:, 0]) // STEPS
        rows, columns = _around(mask, 1 + reach // self._factor)
        region = tuple(slice(part.start * self._factor, part.stop * self._factor) for part in (rows, columns))
        height, width = picture[region].shape[:2]
        # Enlarged smoothly and cut at half, a mask has no stairs.
        near = np.ascontiguousarray(mask[rows, columns]).view(np.uint8) * 255
        outside = cv2.resize(near, (width, height), interpolation=cv2.INTER_LINEAR) <= 127
        distance = cv2.distanceTransform(outside.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
        steps = cv2.convertScaleAbs(distance, alpha=STEPS, beta=-0.5)[..., None].repeat(3, axis=-1)
        opacity, brightness = self._shading.T
        through = np.rint(255 * (1 - opacity)).astype(np.uint8)
        ink = np.rint((opacity * brightness)[:, None] * np.array(rgb)).astype(np.uint8)
        shown = cv2.multiply(picture[region], cv2.LUT(steps, through), scale=1 / 255)
        picture[region] = cv2.add(shown, cv2.LUT(steps, ink[None]))


def _around(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    """Rows and columns of a mask that has pixels, and some more on each side."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    rows = slice(max(0, top - margin), min(mask.shape[0], top + height + margin))
    return rows, slice(max(0, left - margin), min(mask.shape[1], left + width + margin))


def shade(line: float) -> np.ndarray:
    """Tells how a mask is drawn at and around its edge: tinted inside, then a line of its colour, then a dark rim.

    Args:
        line: Width of the line in pixels; the rim is half as wide.

    Returns:
        Opacity and brightness of the colour, both 0..1, for each eighth of a pixel of distance from the mask, float32
        `[256, 2]`; at the last, nothing is drawn.
    """
    distance = np.arange(256, dtype=np.float32) / STEPS
    # Ramps one pixel wide make the edges smooth.
    opacity = np.clip(1.5 * line + 1 - distance, 0, 1)
    brightness = np.clip(line + 1 - distance, 0.1, 1)
    opacity[0] = OPACITY
    return np.stack([opacity, brightness], axis=1)


def colour(number: int) -> tuple[int, int, int]:
    """Gives the RGB colour, 0..255, of the expression with this number."""
    return COLOURS[number % len(COLOURS)]


def draw_legend(width: int, text_size: int, expressions: Sequence[str]) -> np.ndarray:
    """Draws a line per sentence, or more where it is long: its colour and the words.

    Args:
        width: Width in pixels.
        text_size: Height of the letters in pixels.
        expressions: The sentences.

    Returns:
        RGB, uint8 `[h, width, 3]`.
    """
    import matplotlib

    font = ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), text_size)
    margin, step = round(0.7 * text_size), round(1.5 * text_size)
    left = 2 * margin + text_size
    most_letters = max(8, int((width - left - margin) / (0.58 * text_size)))
    lines = [textwrap.wrap(sentence, most_letters) or [""] for sentence in expressions]
    image = Image.new("RGB", (width, 2 * margin + step * sum(map(len, lines))), BACKGROUND)
    draw = ImageDraw.Draw(image)
    top = margin
    for number, wrapped in enumerate(lines):
        middle = top + step // 2
        box = (margin, middle - text_size // 2, margin + text_size, middle + text_size // 2)
        draw.rounded_rectangle(box, radius=text_size // 4, fill=colour(number))
        for line in wrapped:
            draw.text((left, top + step // 2), line, fill=TEXT, font=font, anchor="lm")
            top += step
    return np.asarray(image)
