"""The words for looks and what they look like: shapes, colours, sizes, and the pairs held out for the split unseen."""

from __future__ import annotations

import numpy as np

COLOURS = {
    "red": (222, 34, 34),
    "green": (36, 168, 52),
    "blue": (36, 72, 226),
    "yellow": (246, 220, 36),
    "purple": (158, 40, 200),
    "orange": (248, 132, 16),
    "cyan": (44, 214, 224),
    "white": (242, 242, 242),
}
"""Colour words and their RGB."""

SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")

DIAMETERS = {"small": (0.14, 0.18), "big": (0.26, 0.36)}
"""Size words and how far across such objects are, as fractions of the image side: 36-46 and 67-92 of 256 pixels."""

HELD_OUT = frozenset(
    {
        ("orange", "circle"),
        ("purple", "square"),
        ("yellow", "triangle"),
        ("cyan", "star"),
        ("green", "cross"),
        ("red", "ring"),
    }
)
"""Pairs of colour and shape seen and spoken of in the split unseen alone; every word of them is learnt elsewhere."""

_SUPERSAMPLING = 4
_TILTS = {"circle": 0.0, "square": 12.0, "triangle": 18.0, "star": 30.0, "cross": 12.0, "ring": 0.0}


def _regular(corners: int, radii: tuple[float, ...] = (1.0,), start: float = -90.0) -> np.ndarray:
    angles = np.deg2rad(start + 360.0 * np.arange(corners) / corners)
    return np.resize(radii, corners)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _outline(shape: str) -> list[np.ndarray]:
    """Gives the polygons (float `[P, 2]`, x and y) whose even-odd filling is the shape."""
    if shape == "square":
        return [_regular(4, start=-45.0)]
    if shape == "triangle":
        return [_regular(3)]
    if shape == "star":
        return [_regular(10, (1.0, 0.45))]
    if shape == "cross":
        a, b = 0.36, 1.0
        ring = [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a)]
        return [np.array([*ring, (-a, -a)])]
    circle = _regular(96)
    return [circle] if shape == "circle" else [circle, 0.55 * circle]


def silhouette(shape: str, diameter: int, tilt: float) -> np.ndarray:
    """Rasterises a shape.

    Args:
        shape: One of `SHAPES`.
        diameter: Longer side of its bounding box in pixels.
        tilt: -1 to 1, the share of the largest turn that still leaves the shape recognisable.

    Returns:
        Coverage, uint8 `[diameter + 2, diameter + 2]`: 255 inside, 0 outside, between on the edge.
    """
    angle = np.deg2rad(tilt * _TILTS[shape])
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    polygons = [polygon @ turn for polygon in _outline(shape)]
    low, high = polygons[0].min(axis=0), polygons[0].max(axis=0)
    side = diameter + 2
    scale = _SUPERSAMPLING * diameter / (high - low).max()
    centre = _SUPERSAMPLING * side / 2
    corners = [np.round((polygon - (low + high) / 2) * scale + centre).astype(np.int64) for polygon in polygons]
    cells = _fill(corners, _SUPERSAMPLING * side).reshape(side, _SUPERSAMPLING, side, _SUPERSAMPLING)
    return (cells.sum(axis=(1, 3), dtype=np.int64) * 255 // _SUPERSAMPLING**2).astype(np.uint8)


def _fill(polygons: list[np.ndarray], side: int) -> np.ndarray:
    """Fills polygons by the even-odd rule, uint8 `[side, side]` of 0 and 1.

    Integers alone decide, so that masks are the same everywhere; OpenCV's `fillPoly` differs between its releases.

    Args:
        polygons: Corners, x and y, int64 `[P, 2]` each, within the square.
        side: Of the square, in pixels.
    """
    starts = np.concatenate(polygons)
    ends = np.concatenate([np.roll(polygon, -1, axis=0) for polygon in polygons])
    (x, y), (dx, dy) = starts.T, (ends - starts).T
    rows = np.arange(side)[:, None]
    crossed = (np.minimum(y, y + dy) <= rows) & (rows < np.maximum(y, y + dy))
    row, edge = np.nonzero(crossed)
    across, down = (2 * (row - y[edge]) + 1) * dx[edge], 2 * dy[edge]
    column = x[edge] + (2 * across + down) // (2 * down)  # the first pixel whose centre is right of the edge
    toggles = np.bincount(row * (side + 1) + column, minlength=side * (side + 1))
    return np.cumsum(toggles.reshape(side, side + 1), axis=1, dtype=np.uint8)[:, :side] & 1
