"""What may be shown in a frame, and what is refused in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.systems.corrections import Correction

SIZE = (40, 60)

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "a correction needs points, a box or a mask"),
    "outside": ({"points": [[60.5, 3]]}, r"the point \(60.5, 3\) is outside the frame of 60x40 pixels"),
    "negative": ({"box": [-1, 3, 20, 20]}, r"the corner of the box \(-1, 3\) is outside"),
    "turned round": ({"box": [20, 3, 10, 20]}, r"\[20.0, 3.0, 10.0, 20.0\] is empty"),
    "three numbers": ({"box": [20, 3, 10]}, "box must be left, upper, right and lower edge"),
    "no pairs": ({"points": [1, 2, 3]}, r"points must be x and y of each, as \[\[320, 180\]\], not \[1, 2, 3\]"),
    "no numbers": ({"points": [["left", "right"]]}, "points must be x and y"),
    "infinite": ({"points": [[float("nan"), 2]]}, "points must be x and y"),
    "labels": ({"points": [[1, 2]], "labels": [1, 0]}, "2 labels do not go with 1 points"),
    "label": ({"points": [[1, 2]], "labels": [2]}, r"labels must be 1 \(on the thing\) or 0"),
    "text": ({"points": [[1, 2]], "labels": "1"}, "labels must be 1"),
    "other size": ({"mask": np.ones((60, 40))}, "the mask is 40x60, but the frame has 60x40 pixels"),
    "colours": ({"mask": np.ones((40, 60, 3))}, r"the mask is of shape \[40, 60, 3\]"),
    "mask and box": ({"mask": np.ones(SIZE), "box": [1, 2, 3, 4]}, "a mask says all"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case: str) -> None:
    given, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        Correction.of(SIZE, **given)


def test_points_add_up_and_a_new_box_or_mask_takes_the_place_of_the_old() -> None:
    first = Correction.of(SIZE, [[1, 2]], box=[1, 2, 30, 20])
    second = first.followed_by(Correction.of(SIZE, [[5, 6]], [0]))
    assert second.points.tolist() == [[1, 2], [5, 6]]
    assert second.labels.tolist() == [True, False]
    assert second.box is not None
    assert second.followed_by(Correction.of(SIZE, box=[0, 0, 60, 40])).box.tolist() == [0, 0, 60, 40]  # type: ignore[union-attr]
    mask = Correction.of(SIZE, mask=np.eye(40, 60) * 255)
    assert second.followed_by(mask) is mask
    assert mask.mask is not None
    assert mask.mask.sum() == 40
    after = mask.followed_by(Correction.of(SIZE, [[5, 6]]))
    assert after.mask is None
    assert len(after.points) == 1


def test_points_beside_the_thing_alone_are_within_the_box_of_what_is_corrected() -> None:
    mask = np.zeros(SIZE, bool)
    mask[8:20, 30:50] = True
    beside = Correction.of(SIZE, [[5, 6]], [0])
    within = beside.within(mask)
    assert within.box is not None
    assert within.box.tolist() == [30, 8, 50, 20]
    assert within.points is beside.points
    assert beside.within(np.zeros(SIZE, bool)) is beside
    for other in (Correction.of(SIZE, [[5, 6]]), Correction.of(SIZE, box=[1, 2, 3, 4]), Correction.of(SIZE, mask=mask)):
        assert other.within(mask) is other
