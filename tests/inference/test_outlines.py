from __future__ import annotations

import numpy as np
import pytest

from refsam_zoo.inference.outlines import Outlines, trace


def fill(outlines: Outlines, size: tuple[int, int]) -> np.ndarray:
    """Pixels whose centre lies inside an odd number of outlines: so many of their edges are at its left."""
    inside = np.zeros(size, int)
    middle = np.arange(size[0]) + 0.5
    for ring in (np.array(ring) for part in outlines for ring in part):
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if y0 != y1:
                crossing = x0 + (x1 - x0) * (middle - y0) / (y1 - y0)
                beside = (y0 < middle) != (y1 < middle)
                inside += beside[:, None] & (np.arange(size[1]) + 0.5 > crossing[:, None])
    return inside % 2 == 1


@pytest.mark.parametrize("seed", range(40))
def test_filling_gives_back_each_pixel(seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = random.random(random.integers(1, 20, 2)) > random.random()
    np.testing.assert_array_equal(fill(trace(mask), mask.shape), mask)


def test_a_box_with_a_hole() -> None:
    mask = np.zeros((20, 30), bool)
    mask[2:12, 5:25] = True
    mask[4:6, 7:10] = False
    mask[19, 29] = True
    parts = sorted(trace(mask), key=len)
    assert [sorted(map(tuple, ring)) for part in parts for ring in part] == [
        [(29, 19), (29, 20), (30, 19), (30, 20)],
        [(5, 2), (5, 12), (25, 2), (25, 12)],
        [(7, 4), (7, 6), (10, 4), (10, 6)],
    ]
    assert [len(part) for part in parts] == [1, 2]


def test_nothing() -> None:
    assert trace(np.zeros((4, 5), bool)) == []
