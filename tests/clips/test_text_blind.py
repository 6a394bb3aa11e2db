from __future__ import annotations

from pathlib import Path

import pytest

from refsam_zoo.clips.text_blind import mismatch_expressions
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral, VideoSource


def make_referrals(counts: list[int]) -> list[Referral]:
    return [
        Referral(f"v{video}", str(number), f"{video}-{number}", (number,), ("0",), VideoSource(Path(f"v{video}")))
        for video, count in enumerate(counts)
        for number in range(count)
    ]


@pytest.mark.parametrize("counts", [[1, 1], [3, 1, 2], [4, 4], [2, 5, 1, 1, 1], [1] * 20])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_sentence_goes_to_another_video(counts: list[int], seed: int) -> None:
    referrals = make_referrals(counts)
    mismatched = mismatch_expressions(referrals, seed)
    assert [(r.video_id, r.expression_id, r.object_ids) for r in mismatched] == [
        (r.video_id, r.expression_id, r.object_ids) for r in referrals
    ]
    assert sorted(r.expression for r in mismatched) == sorted(r.expression for r in referrals)
    assert all(f"v{r.expression.split('-')[0]}" != r.video_id for r in mismatched)
    assert mismatched == mismatch_expressions(referrals, seed)


def test_one_dominating_video_has_no_control() -> None:
    with pytest.raises(InputError, match="3 of 5 expressions are about one video"):
        mismatch_expressions(make_referrals([3, 2]), 0)
