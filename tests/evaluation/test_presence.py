from __future__ import annotations

import math

import numpy as np
import pytest

from refsam_zoo.evaluation.counts import count_pixels
from refsam_zoo.evaluation.presence import Presence, presence_scores


def _masks(shown: list[int]) -> np.ndarray:
    masks = np.zeros((len(shown), 8, 8), bool)
    masks[np.array(shown, bool), 2:4, 2:4] = True
    return masks


@pytest.mark.parametrize(
    ("true", "predicted", "accuracy", "absent_with_mask"),
    [
        ([1, 1, 0, 0], [1, 0, 1, 0], 0.5, 0.5),
        ([0, 0, 0, 0], [0, 0, 0, 1], 0.75, 0.25),
        ([1, 1, 1, 1], [0, 1, 1, 1], 0.75, math.nan),
    ],
)
def test_frames_are_counted(true: list[int], predicted: list[int], accuracy: float, absent_with_mask: float) -> None:
    found = Presence.of(count_pixels(_masks(predicted), _masks(true)))
    assert found.accuracy == accuracy
    assert found.absent_with_mask == pytest.approx(absent_with_mask, nan_ok=True)


def test_every_frame_of_all_expressions_counts_once() -> None:
    parts = [Presence(frames=10, true=0, predicted=5, both=0), Presence(frames=30, true=30, predicted=30, both=30)]
    assert presence_scores(parts) == {"presence": 35 / 40, "absent_with_mask": 0.5}
    assert all(math.isnan(value) for value in presence_scores([]).values())
