from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from refsam_zoo.evaluation.counts import contour_accuracy, count_pixels, region_similarity
from refsam_zoo.evaluation.expression_scores import long_rvos_scores, mean_scores, mevis_v2_scores
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


def _counted(number: int, kind: str, true: np.ndarray, predicted: np.ndarray) -> ExpressionResult:
    counts = count_pixels(predicted, true)
    j, f = region_similarity(counts).mean(), contour_accuracy(counts).mean()
    return replace(_result(number, 0, Presence.of(counts)), j=float(j), f=float(f), tags={"type": kind})


def test_long_rvos_measures_time_and_volume_as_defined() -> None:
    random = np.random.default_rng(0)
    masks = random.random((4, 2, 9, 12, 12)) < 0.5
    masks[random.random((4, 2, 9)) < 0.4] = False
    masks[3] = False  # never there and never found
    expected = []
    for true, predicted in masks:
        j = region_similarity(count_pixels(predicted, true))
        shown, found = true.any(axis=(1, 2)), predicted.any(axis=(1, 2))
        either = (shown | found).sum()
        expected.append(((shown & found).sum() / either, j[shown & found].sum() / either) if either else (1, 1))
    kinds = ("static", "dynamic", "dynamic", "static")
    scores = long_rvos_scores(
        [_counted(n, kind, *pair) for n, (kind, pair) in enumerate(zip(kinds, masks, strict=True))]
    )
    for prefix, chosen in (("", [0, 1, 2, 3]), ("static_", [0, 3]), ("dynamic_", [1, 2])):
        tiou, viou = np.mean([expected[number] for number in chosen], axis=0)
        assert (scores[f"{prefix}tiou"], scores[f"{prefix}viou"]) == (pytest.approx(tiou), pytest.approx(viou))
