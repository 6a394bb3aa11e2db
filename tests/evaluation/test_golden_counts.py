"""Equality, to the last bit, with values that the unmodified official evaluators computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refsam_zoo.evaluation.counts import contour_accuracy, count_pixels, region_similarity

GOLDEN = json.loads((Path(__file__).parent / "data" / "golden_counts.json").read_text())


def _masks(runs: list[int], shape: list[int]) -> np.ndarray:
    """Run lengths, beginning with zeros -> bool `[T, H, W]`."""
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(-1, *shape[-2:])


def _counts(case: dict[str, Any]) -> np.ndarray:
    return count_pixels(_masks(case["prediction"], case["shape"]), _masks(case["mask"], case["shape"]))


@pytest.mark.parametrize("case", GOLDEN["functions"], ids=lambda case: case["name"])
def test_single_frames(case: dict[str, Any]) -> None:
    counts = _counts(case)
    assert region_similarity(counts).tolist() == [case["j"]]
    assert contour_accuracy(counts).tolist() == [case["f"]]


@pytest.mark.parametrize("case", GOLDEN["sequences"], ids=lambda case: case["name"])
def test_sequences(case: dict[str, Any]) -> None:
    counts = _counts(case)[1:-1]  # the semi-supervised protocol skips the first and the last frame
    j, f = region_similarity(counts), contour_accuracy(counts)
    assert (j.tolist(), f.tolist()) == (case["j"], case["f"])
    assert (j.mean(), f.mean()) == (case["j_mean"], case["f_mean"])
