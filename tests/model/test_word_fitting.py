"""What points and boxes teach where the decoder does not know them, and when its mask is taken as what they show."""

from __future__ import annotations

import pytest
import torch

from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.pointing import BESIDE, LOWER_RIGHT, ON, UPPER_LEFT
from refsam_zoo.model.word_fitting import agrees, lesson_of_points

FRAME = EncodedFrames(torch.zeros(1, 8, 8, 8), [], [])
FORMER = torch.zeros(1, 32, 32, dtype=torch.bool)
FORMER[:, 4:12, 4:12] = True
BOX = [[16.0, 16.0], [28.0, 24.0]]


@pytest.mark.parametrize(
    ("points", "labels", "on", "beside", "former_stays"),
    [
        ([[8.5, 8.5]], [ON], (8, 8), None, True),
        ([[20.5, 8.5]], [ON], (8, 20), None, False),
        ([[5.5, 5.5]], [BESIDE], None, (5, 5), True),
        ([[20.5, 8.5], [5.5, 5.5]], [ON, BESIDE], (8, 20), (5, 5), False),
        (BOX, [UPPER_LEFT, LOWER_RIGHT], (20, 22), (8, 8), False),
        ([*BOX, [17.5, 17.5]], [UPPER_LEFT, LOWER_RIGHT, ON], (17, 17), (8, 8), False),
    ],
)
def test_what_is_shown_counts_and_the_mask_before_where_it_can_be_right(
    points: list[list[float]],
    labels: list[int],
    on: tuple[int, int] | None,
    beside: tuple[int, int] | None,
    former_stays: bool,
) -> None:
    lesson = lesson_of_points(FRAME, None, torch.tensor(points), torch.tensor(labels), FORMER)
    wanted, weight = lesson.wanted[0], lesson.weight[0]
    assert weight.sum() == pytest.approx(1)
    for place, value in ((on, 1), (beside, 0)):
        if place is not None:
            assert wanted[place] == value
            assert weight[place] > weight[30, 2] or value == 0
    assert bool(wanted[10, 10]) == former_stays
    assert bool(weight[10, 10]) == (former_stays or UPPER_LEFT in labels)  # nothing is outside a box
    assert wanted[30, 2] == 0
    assert weight[30, 2] > 0


@pytest.mark.parametrize(
    ("points", "labels", "expected"),
    [
        ([[5.0, 5.0]], [ON], True),
        ([[20.0, 5.0]], [ON], False),
        ([[5.0, 5.0], [6.0, 6.0]], [ON, BESIDE], False),
        ([[4.0, 4.0], [12.0, 12.0]], [UPPER_LEFT, LOWER_RIGHT], True),
        ([[4.0, 4.0], [12.0, 9.0]], [UPPER_LEFT, LOWER_RIGHT], True),
        ([[4.0, 4.0], [12.0, 7.0]], [UPPER_LEFT, LOWER_RIGHT], False),
        ([[4.0, 4.0], [32.0, 32.0]], [UPPER_LEFT, LOWER_RIGHT], False),
        (BOX, [UPPER_LEFT, LOWER_RIGHT], False),
    ],
)
def test_a_mask_is_taken_where_it_is_what_was_shown(
    points: list[list[float]], labels: list[int], expected: bool
) -> None:
    assert agrees(FORMER[0], torch.tensor(points), torch.tensor(labels)) == expected
    assert not agrees(torch.zeros_like(FORMER[0]), torch.tensor(points), torch.tensor(labels))
