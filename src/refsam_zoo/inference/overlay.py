"""Draws masks on frames: translucent colours with outlines, and below the frame which sentence has which colour."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from refsam_zoo.inference.legend import BACKGROUND, colour, draw_legend

OPACITY = 0.45
SMALLEST_SIDE = 360
LARGEST_ENLARGED = 1920
"""Smaller frames are enlarged by a whole factor, so that the sentences below them can be read; strips less so."""

LARGEST_SIDE = 10000
"""Larger frames are shrunk: encoders of H.264 take 16384 pixels, the sentences below the frame included."""

LEGEND_SHARE = 0.5
"""Largest height of the sentences, relative to the frame's."""

NARROWEST = 16
"""Letters that fit beside each other, at least: narrow strips get a margin at their right."""

STEPS = 8
"""Distances from a mask that are told apart, per pixel."""


class MaskPainter:
    """Paints masks on frames of one size.

    Args:
        size: Height and width of the frames.

    Attributes:
        size: Height and width of the pictures: small frames are enlarged, very large ones shrunk.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        shrunk = min(1.0, LARGEST_SIDE / max(size))
        self._drawn_size = max(1, round(size[0] * shrunk)), max(1, round(size[1] * shrunk))
        self._factor = max(1, min(-(-SMALLEST_SIDE // min(size)), LARGEST_ENLARGED // max(size)))
        height, width = self._drawn_size[0] * self._factor, self._drawn_size[1] * self._factor
        self.size = height, width
        self._shading = shade(min(max(2.0, min(height, width) / 180), 20.0))

    def paint(self, frame: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Paints a frame.

        Args:
            frame: RGB, uint8 `[H, W, 3]`.
            masks: bool `[N, H, W]`.

        Returns:
            RGB, uint8 `[*self.size, 3]`.
        """
        if frame.shape[:2] != self._drawn_size:
            frame, masks = shrink_masked(frame, masks, self._drawn_size)
        picture = cv2.resize(frame, self.size[::-1], interpolation=cv2.INTER_LINEAR)
        for number, mask in enumerate(masks):
            if mask.any():
                self._paint(picture, mask, colour(number))
        return picture

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


class Overlay:
    """Draws the frames of one video.

    Args:
        size: Height and width of the frames.
        expressions: The N sentences.

    Attributes:
        size: Height and width of the pictures, both even, as video codecs want.
    """

    def __init__(self, size: tuple[int, int], expressions: Sequence[str]) -> None:
        self._painter = MaskPainter(size)
        height, width = self._painter.size
        text_size = max(14, round(min(height, width) / 26), round(max(height, width) / 100))
        wide = max(width, NARROWEST * text_size)
        legend = draw_legend(wide + wide % 2, text_size, expressions, round(LEGEND_SHARE * height))
        canvas = np.full((height + len(legend) + (height + len(legend)) % 2, legend.shape[1], 3), BACKGROUND, np.uint8)
        canvas[height : height + len(legend)] = legend
        self._canvas = canvas
        self.size = canvas.shape[:2]

    def draw(self, frame: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Draws a frame.

        Args:
            frame: RGB, uint8 `[H, W, 3]`.
            masks: bool `[N, H, W]`.

        Returns:
            RGB, uint8 `[*self.size, 3]`.
        """
        canvas, (height, width) = self._canvas.copy(), self._painter.size
        canvas[:height, :width] = self._painter.paint(frame, masks)
        return canvas


def shrink(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Makes a picture or mask, uint8 `[H, W, ...]`, smaller: each pixel is the mean of those it stands for."""
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)


def shrink_masked(frame: np.ndarray, masks: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Makes a frame, uint8 `[H, W, 3]`, and its masks, bool `[N, H, W]`, smaller."""
    return shrink(frame, size), np.stack([shrink(mask.astype(np.uint8), size) > 0 for mask in masks])


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
