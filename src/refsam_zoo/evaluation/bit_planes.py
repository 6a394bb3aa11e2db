"""Masks as bit planes: 64 pixels in one word, so that a pass over a mask is a pass over a few kilobytes.

A plane is uint64 `[T, H, words]`; pixel x of a row is bit `x % 64` of word `x // 64`. Every row ends in enough zero
bits that a horizontal shift can run over all rows at once without one row leaking into the next.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

WORD = 64


class Window(NamedTuple):
    """A part of a plane: rows `top` to `bottom` and words `left` to `right`, the ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    def grown(self, rows: int, words: int) -> Window:
        """Gives the window with that much more on every side, where the plane has it."""
        return Window(max(self.top - rows, 0), self.bottom + rows, max(self.left - words, 0), self.right + words)

    def intersection(self, other: Window) -> Window | None:
        """Gives what two windows share; None if nothing."""
        top, left = max(self.top, other.top), max(self.left, other.left)
        bottom, right = min(self.bottom, other.bottom), min(self.right, other.right)
        return Window(top, bottom, left, right) if top < bottom and left < right else None


def pack(masks: np.ndarray, margin: int) -> np.ndarray:
    """Packs masks into bit planes.

    Args:
        masks: bool `[T, H, W]`.
        margin: How far, in pixels, planes will be dilated; at least that many zeros follow each row.

    Returns:
        uint64 `[T, H, words]`.
    """
    frames, height, width = masks.shape
    planes = np.zeros((frames, height, ((width + margin) // WORD + 1) * WORD // 8), np.uint8)
    planes[..., : -(-width // 8)] = np.packbits(masks, axis=2, bitorder="little")
    return planes.view("<u8")


def count(planes: np.ndarray) -> np.ndarray:
    """Counts the set pixels of each frame: int64 `[T]`."""
    return np.bitwise_count(planes).sum(axis=(1, 2), dtype=np.int64)


def bounding_window(planes: np.ndarray) -> Window | None:
    """Finds the smallest window that holds the set pixels of all frames; None if there are none."""
    any_frame = np.bitwise_or.reduce(planes, axis=0)
    rows, words = np.flatnonzero(any_frame.any(axis=1)), np.flatnonzero(any_frame.any(axis=0))
    return Window(int(rows[0]), int(rows[-1]) + 1, int(words[0]), int(words[-1]) + 1) if len(rows) else None


def crop(planes: np.ndarray, window: Window, margin: int) -> np.ndarray:
    """Copies a window of each frame, with at least `margin` zero bits after each row."""
    part = planes[:, window.top : window.bottom, window.left : window.right]
    cropped = np.zeros((*part.shape[:2], part.shape[2] - (-margin // WORD)), planes.dtype)
    cropped[..., : part.shape[2]] = part
    return cropped


def boundary(planes: np.ndarray, inner_columns: np.ndarray) -> np.ndarray:
    """Marks pixels that differ from their east, south or south-east neighbour.

    The boundary map of the DAVIS evaluators: one pixel wide, shifted half a pixel to the top left, nothing along the
    borders of the image.

    Args:
        planes: uint64 `[T, H, words]`.
        inner_columns: uint64 `[words]`, set at every column that has an east neighbour.

    Returns:
        uint64 `[T, H, words]`.
    """
    south = np.zeros_like(planes)
    np.bitwise_xor(planes[:, :-1], planes[:, 1:], out=south[:, :-1])
    edges = _from_east(planes)
    edges ^= planes
    edges |= _from_east(south)
    edges &= inner_columns
    edges |= south
    return edges


def dilate(planes: np.ndarray, radius: int) -> np.ndarray:
    """Dilates by the discrete disk `x^2 + y^2 <= radius^2`; nothing enters from outside the planes.

    The disk is a union of nested centred rectangles, the tallest the narrowest. Taken from the widest to the tallest,
    each needs only a little more height, and what has been gathered so far only a little more width.

    Args:
        planes: uint64 `[T, H, words]` with at least `radius` zero bits at the end of each row.
        radius: Radius of the disk in pixels.

    Returns:
        uint64 `[T, H, words]`.
    """
    tall = planes.copy()
    disk = planes.copy()
    scratch = np.empty_like(planes)
    for rise, reach in disk_steps(radius):
        for step in _doubling(rise):
            np.copyto(scratch, tall)
            tall[:, step:] |= scratch[:, :-step]
            tall[:, :-step] |= scratch[:, step:]
        disk |= tall
        for step in _doubling(reach):
            _spread_row(disk, step, scratch)
    return disk


@lru_cache
def disk_steps(radius: int) -> tuple[tuple[int, int], ...]:
    """Pairs (further height, further width) that build a disk out of its nested rectangles, widest first."""
    half_widths = [int(np.sqrt(radius**2 - y**2)) for y in range(radius + 1)]
    heights = {width: y for y, width in enumerate(half_widths)}
    widths = sorted(heights, reverse=True)
    rises = np.diff([0, *(heights[width] for width in widths)])
    reaches = -np.diff([*widths, 0])
    return tuple(zip(rises.tolist(), reaches.tolist(), strict=True))


@lru_cache
def _doubling(distance: int) -> tuple[int, ...]:
    """Steps whose sums reach every offset up to a distance without ever stepping back."""
    steps: list[int] = []
    while distance:
        steps.append(min(distance, sum(steps) + 1))
        distance -= steps[-1]
    return tuple(steps)


def _from_east(planes: np.ndarray) -> np.ndarray:
    """Gives every pixel its east neighbour; the last zero bit of a row gets the first pixel of the next row."""
    moved = planes >> np.uint64(1)
    moved.reshape(-1)[:-1] |= planes.reshape(-1)[1:] << np.uint64(WORD - 1)
    return moved


def _spread_row(planes: np.ndarray, step: int, scratch: np.ndarray) -> None:
    """Adds, in place, the pixels `step` to the left and `step` to the right of set ones."""
    flat, moved = planes.reshape(-1), scratch.reshape(-1)
    inside, across = np.uint64(step), np.uint64(WORD - step)
    carried = flat >> across
    np.left_shift(flat, inside, out=moved)
    moved[1:] |= carried[:-1]
    flat |= moved
    np.left_shift(flat, across, out=carried)
    np.right_shift(flat, inside, out=moved)
    moved[:-1] |= carried[1:]
    flat |= moved
