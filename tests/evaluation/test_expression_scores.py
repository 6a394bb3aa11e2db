from __future__ import annotations

import math

from refsam_zoo.evaluation.expression_scores import mean_scores, mevis_v2_scores
from refsam_zoo.evaluation.presence import Presence
from refsam_zoo.evaluation.results import ExpressionResult


def _result(number: int, jf: float, presence: Presence) -> ExpressionResult:
    return ExpressionResult("test", "video", str(number), "words", presence.frames, 0, jf, jf, presence=presence)


MISSED = _result(0, 0.0, Presence(10, true=4, predicted=0, both=0))
FOUND = _result(1, 0.5, Presence(10, true=4, predicted=6, both=4))
LEFT_ALONE = _result(2, 1.0, Presence(10, true=0, predicted=0, both=0))
FALSE_ALARM = _result(3, 0.9, Presence(10, true=0, predicted=1, both=0))


def test_mevis_v2_asks_of_each_sentence_whether_it_was_answered() -> None:
    results = [MISSED, FOUND, FOUND, FOUND, LEFT_ALONE, FALSE_ALARM]
    found = mevis_v2_scores(results)
    assert (found["t_acc"], found["n_acc"]) == (3 / 4, 1 / 2)
    assert found["final"] == (found["jf"] + 3 / 4 + 1 / 2) / 3
    assert found.items() >= mean_scores(results).items()


def test_without_sentences_of_both_kinds_there_is_no_final_score() -> None:
    for results in ([FOUND], [LEFT_ALONE]):
        assert math.isnan(mevis_v2_scores(results)["final"])
