from __future__ import annotations

from math import pi

import numpy as np
import pytest

from refsam_zoo.synthesis.shapes import COLOURS, HELD_OUT, SHAPES, silhouette

AREAS = {
    "circle": pi / 4,
    "square": 1.0,
    "triangle": 3**0.5 / 4,
    "cross": 1 - 0.64**2,
    "ring": pi / 4 * (1 - 0.55**2),
    "star": 5 * 0.45 * np.sin(pi / 5) / (2 * np.sin(2 * pi / 5)) ** 2,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_silhouette_has_the_area_and_extent_of_its_shape(shape: str) -> None:
    coverage = silhouette(shape, 80, 0.0) / 255
    assert coverage.shape == (82, 82)
    assert coverage.sum() == pytest.approx(AREAS[shape] * 80**2, rel=0.01)
    assert coverage.max() == 1
    rows, columns = np.nonzero(coverage > 0.5)
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (78, 79, 80)  # tips are thinner than a pixel


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tilt", [-1.0, 0.3, 1.0])
@pytest.mark.parametrize("diameter", [7, 28, 79])
def test_a_tilted_silhouette_keeps_its_extent(shape: str, tilt: float, diameter: int) -> None:
    mask = silhouette(shape, diameter, tilt) >= 128
    rows, columns = np.nonzero(mask)
    assert diameter - 2 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= diameter
    assert not mask[[0, -1]].any()
    assert not mask[:, [0, -1]].any()


def test_every_word_of_a_held_out_pair_is_learnt_from_other_pairs() -> None:
    pairs = {(colour, shape) for colour in COLOURS for shape in SHAPES}
    assert pairs > HELD_OUT
    assert {colour for colour, _ in pairs - HELD_OUT} == set(COLOURS)
    assert {shape for _, shape in pairs - HELD_OUT} == set(SHAPES)
