"""What somebody shows a system in a frame: points on a thing or beside it, a box around it, or its mask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsam_zoo.errors import InputError


@dataclass(frozen=True)
class Correction:
    """Where one thing is in one frame, as somebody shows it.

    Attributes:
        points: x and y of points in pixels of the frame, float32 `[P, 2]`.
        labels: Whether each point is on the thing, bool `[P]`; False is beside it.
        box: Left, upper, right and lower edge in pixels, float32 `[4]`, or None.
        mask: bool `[H, W]`, or None; then there is nothing else.
    """

    points: np.ndarray
    labels: np.ndarray
    box: np.ndarray | None = None
    mask: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        size: tuple[int, int],
        points: Sequence[Sequence[float]] | np.ndarray = (),
        labels: Sequence[bool | int] | np.ndarray | None = None,
        box: Sequence[float] | np.ndarray | None = None,
        mask: Any = None,
    ) -> Correction:
        """Checks what was given.

        Args:
            size: Height and width of the frame.
            points: x and y of each point.
            labels: 1 or True on the thing, 0 or False beside it; None means that all are on it.
            box: Left, upper, right and lower edge; the right and lower one are larger.
            mask: bool or numbers `[H, W]`, of which those that are not zero count.

        Raises:
            InputError: Nothing is given, a mask beside something else, or what lies outside the frame or is no such
                thing.
        """
        if mask is not None and (len(points) or box is not None):
            raise InputError("a mask says all: give it without points and box")
        if mask is not None:
            return cls(*no_points(), mask=_checked_mask(mask, size))
        places = _numbers(points, "points", (-1, 2)) if len(points) else no_points()[0]
        corners = None if box is None else _checked_box(_numbers(box, "box", (4,)), size)
        if not len(places) and corners is None:
            raise InputError("a correction needs points, a box or a mask; none was given")
        _require_inside(places, size, "point")
        return cls(places, _checked_labels(labels, len(places)), corners)

    def followed_by(self, later: Correction) -> Correction:
        """Adds what is shown later in the same frame: points add up, a new box or mask takes the place of the old."""
        if later.mask is not None:
            return later
        box = self.box if later.box is None else later.box
        return Correction(np.concatenate([self.points, later.points]), np.concatenate([self.labels, later.labels]), box)

    def within(self, mask: np.ndarray) -> Correction:
        """Adds the box of what is corrected, bool `[H, W]`, where there are only points beside the thing.

        Alone they would not say where it is.
        """
        if self.mask is not None or self.box is not None or self.labels.any() or not mask.any():
            return self
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        corners = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
        return Correction(self.points, self.labels, np.array(corners, np.float32))


def no_points() -> tuple[np.ndarray, np.ndarray]:
    """Points and labels where there are none."""
    return np.zeros((0, 2), np.float32), np.zeros(0, bool)


def _numbers(values: Any, what: str, shape: tuple[int, ...]) -> np.ndarray:
    """Makes float32 of a shape, -1 for any length."""
    try:
        found: np.ndarray = np.asarray(values, np.float32)
    except (TypeError, ValueError):
        found = np.empty(())
    fits = found.ndim == len(shape) and all(want in (-1, have) for want, have in zip(shape, found.shape, strict=True))
    if not fits or not np.isfinite(found).all():
        wanted = "x and y of each, as [[320, 180]]" if what == "points" else "left, upper, right and lower edge"
        raise InputError(f"{what} must be {wanted}, not {str(values)[:60]}")
    return found


def _checked_labels(labels: Any, count: int) -> np.ndarray:
    if labels is None:
        return np.ones(count, bool)
    given = list(labels) if isinstance(labels, Sequence | np.ndarray) and not isinstance(labels, str) else [None]
    if any(label not in (0, 1) for label in given):
        raise InputError(f"labels must be 1 (on the thing) or 0 (beside it) for each point, not {str(labels)[:60]}")
    if len(given) != count:
        raise InputError(f"{len(given)} labels do not go with {count} points; each point has one")
    return np.array(given, bool)


def _checked_box(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    _require_inside(box.reshape(2, 2), size, "corner of the box")
    if box[0] >= box[2] or box[1] >= box[3]:
        raise InputError(f"box must be left, upper, right and lower edge; {box.tolist()} is empty")
    return box


def _require_inside(points: np.ndarray, size: tuple[int, int], what: str) -> None:
    height, width = size
    for x, y in points.tolist():
        if not (0 <= x <= width and 0 <= y <= height):
            raise InputError(f"the {what} ({x:g}, {y:g}) is outside the frame of {width}x{height} pixels (x, y)")


def _checked_mask(mask: Any, size: tuple[int, int]) -> np.ndarray:
    found = np.asarray(mask)
    if found.dtype.kind not in "biuf" or found.shape != size:
        shape = "x".join(map(str, found.shape[::-1])) if found.ndim == 2 else f"of shape {list(found.shape)}"
        raise InputError(f"the mask is {shape}, but the frame has {size[1]}x{size[0]} pixels")
    return found.astype(bool)
