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
        self._shading = shade(max(2.0, min(height, width) / 180))
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
        height, width = self._frame_size
        # Enlarged smoothly and cut at half, a mask has no stairs.
        inside = cv2.resize(mask.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_LINEAR) > 127
        distance = cv2.distanceTransform(1 - inside.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
        drawn = distance < len(self._shading) / 8
        share, brightness = self._shading[(distance[drawn] * 8).astype(np.intp)].T
        ink = brightness[:, None] * np.array(rgb, np.float32)
        picture[drawn] = picture[drawn] * (1 - share[:, None]) + share[:, None] * ink


def shade(line: float) -> np.ndarray:
    """Tells how a mask is drawn at and around its edge: tinted inside, then a line of its colour, then a dark rim.

    Args:
        line: Width of the line in pixels; the rim is half as wide.

    Returns:
        Opacity and brightness of the colour, both 0..1, for each eighth of a pixel of distance from the mask, float32
        `[n, 2]`; beyond, nothing is drawn.
    """
    distance = np.arange(0, 1.5 * line + 1, 1 / 8).astype(np.float32)
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
