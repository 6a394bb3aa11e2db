from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco

from refsam_zoo.errors import InputError
from refsam_zoo.video.run_lengths import PolygonMasks, RunLengthMasks, RunLengths

MASKS = st.tuples(st.integers(1, 40), st.integers(1, 40)).flatmap(lambda size: arrays(np.bool_, size))


@given(MASKS)
def test_run_lengths_decode_as_in_pycocotools(mask: np.ndarray) -> None:
    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    decoded = RunLengths(mask.shape, encoded["counts"].decode()).decode()
    np.testing.assert_array_equal(decoded, mask)


def test_long_runs_decode_as_in_pycocotools() -> None:
    mask = np.zeros((1080, 1920), bool)
    mask[100:900, 300:1500] = True
    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    np.testing.assert_array_equal(RunLengths(mask.shape, encoded["counts"].decode()).decode(), mask)


@given(st.text(max_size=30))
def test_any_text_is_a_mask_or_a_value_error(text: str) -> None:
    with suppress(ValueError, OverflowError):
        assert RunLengths((4, 5), text).decode().shape == (4, 5)


def test_uncompressed_run_lengths_decode() -> None:
    mask = RunLengths((2, 3), (1, 2, 3)).decode()
    np.testing.assert_array_equal(mask, [[False, True, False], [True, False, False]])


def test_objects_are_united() -> None:
    first, second = RunLengths((2, 2), (0, 1, 3)), RunLengths((2, 2), (3, 1))
    masks = RunLengthMasks(Path("m.json"), ((first, None), (second, second))).read([1, 0], (2, 2))
    np.testing.assert_array_equal(masks, [[[0, 0], [0, 1]], [[1, 0], [0, 1]]])


def test_polygons_are_drawn_as_in_pycocotools() -> None:
    polygons = ((2.5, 3.0, 20.0, 4.0, 12.0, 17.5), (30.0, 5.0, 39.9, 5.0, 39.9, 29.0, 30.0, 29.0))
    drawn = PolygonMasks(Path("i.json"), polygons).read([0, 0], (30, 40))
    expected = coco.decode(coco.merge(coco.frPyObjects([list(polygon) for polygon in polygons], 30, 40)))
    np.testing.assert_array_equal(drawn, np.stack([expected, expected]).astype(bool))


@pytest.mark.parametrize("corner", [1e9, float("nan"), float("inf")])
def test_polygons_far_outside_are_refused(corner: float) -> None:
    with pytest.raises(InputError, match=r"i\.json: a polygon reaches far outside"):
        PolygonMasks(Path("i.json"), ((0.0, 0.0, 5.0, 5.0, corner, 0.0),)).read([0], (10, 10))


def test_no_polygon_is_an_empty_mask() -> None:
    assert not PolygonMasks(Path("i.json"), ()).read([0], (10, 10)).any()


@pytest.mark.parametrize("seed", range(20))
def test_written_as_pycocotools_does(seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = random.random(random.integers(1, 300, 2)) > random.choice([-1, 0, 0.3, 0.99, 1])
    mask[len(mask) // 2 :] |= seed % 2 == 1
    runs = RunLengths.of(mask)
    assert runs.counts == coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
    np.testing.assert_array_equal(runs.decode(), mask)
