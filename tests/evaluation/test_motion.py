from __future__ import annotations

import numpy as np
import pytest

from refsam_zoo.evaluation.motion import ABSENT, UNITS, centres, extent


def _moving_square() -> np.ndarray:
    """A square in a 30 x 40 image (diagonal 50) that moves 3 down and 4 right, then vanishes: bool `[3, H, W]`."""
    masks = np.zeros((3, 30, 40), bool)
    masks[0, 10:15, 20:25] = masks[1, 13:18, 24:29] = True
    return masks


def test_extent_is_the_box_around_the_path() -> None:
    found = centres(_moving_square())
    assert found.tolist() == [[12 * UNITS // 50, 22 * UNITS // 50], [15 * UNITS // 50, 26 * UNITS // 50], [ABSENT] * 2]
    assert extent(found) == pytest.approx(5 / 50)
    assert extent(found[:1]) == 0
    assert extent(found[2:]) is None
