"""Outlines of masks along the edges of their pixels."""

from __future__ import annotations

import cv2
import numpy as np

Outlines = list[list[list[list[int]]]]
"""Parts of a mask, each its outline and then those of its holes, each a list of corners x, y."""


def trace(mask: np.ndarray) -> Outlines:
    """Follows the edges of a mask; filling the outlines gives back each pixel.

    Args:
        mask: bool `[H, W]`.

    Returns:
        Corners in pixels from the left and upper edge of the frame; a pixel reaches from its number to the next one.
    """
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return []
    # Each pixel as four: OpenCV goes through centres, and of four there is one at each corner to be rounded to it.
    fine = mask[top : top + height, left : left + width].view(np.uint8).repeat(2, 0).repeat(2, 1)
    contours, hierarchy = cv2.findContours(fine, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parts: dict[int, list[list[list[int]]]] = {}
    for number, (contour, (_, _, _, around)) in enumerate(zip(contours, hierarchy[0], strict=True)):
        ring = _corners((contour[:, 0] + 1) // 2) + np.array([left, top])
        part = parts.setdefault(number if around < 0 else around, [])
        part.insert(0 if around < 0 else len(part), ring.tolist())
    return list(parts.values())


def _corners(points: np.ndarray) -> np.ndarray:
    """Leaves out points of a closed outline, `[n, 2]`, that are no corners."""
    points = points[np.any(points != np.roll(points, 1, axis=0), axis=1)]
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    return points[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]
