"""How far a target travels: the motion class of a result."""

from __future__ import annotations

import numpy as np

UNITS = 1_000_000
"""Centres are whole millionths of the image's diagonal, so that they can be gathered with the counts."""

ABSENT = -1


def centres(masks: np.ndarray) -> np.ndarray:
    """Finds the centre of gravity of each mask.

    Args:
        masks: bool `[T, H, W]`.

    Returns:
        int64 `[T, 2]`, row and column in millionths of the diagonal; -1 where the mask is empty.
    """
    found = np.full((len(masks), 2), ABSENT, np.int64)
    diagonal = np.linalg.norm(masks.shape[1:])
    for centre, mask in zip(found, masks, strict=True):
        pixels = np.flatnonzero(mask)
        if len(pixels):
            sums = np.array([(pixels // mask.shape[1]).sum(), (pixels % mask.shape[1]).sum()])
            centre[:] = np.rint(UNITS * (sums / len(pixels)) / diagonal)
    return found


def extent(found: np.ndarray) -> float | None:
    """Measures the box around the path of a centre.

    Args:
        found: int64 `[T, 2]`, see `centres`.

    Returns:
        Its diagonal as a fraction of the image's, 0..1; None if the target is never visible.
    """
    visible = found[(found != ABSENT).all(axis=1)]
    return float(np.linalg.norm(np.ptp(visible, axis=0)) / UNITS) if len(visible) else None
