"""Totals that protocols make of the results of all expressions: name -> value in 0..1."""

from __future__ import annotations

import math
from collections.abc import Sequence

from refsam_zoo.evaluation.presence import presence_scores
from refsam_zoo.evaluation.results import ExpressionResult, MeanScore, presences


def mean_scores(results: Sequence[ExpressionResult]) -> dict[str, float]:
    """`jf`, `j` and `f`, means over expressions; `presence` and `absent_with_mask`, shares of frames."""
    total = MeanScore.of(results)
    return {"jf": total.jf, "j": total.j, "f": total.f, **presence_scores(presences(results))}


def mevis_v2_scores(results: Sequence[ExpressionResult]) -> dict[str, float]:
    """What the server of MeViS v2 shows, in our reading: its code is not public.

    `n_acc` is the share of the sentences without a target that get no mask in any frame, `t_acc` the share of the
    others that get one in at least one frame, as gRefCOCO counts images; `final` is the mean of `jf`, `n_acc` and
    `t_acc`. One that no sentence decides is not a number, and then `final` is none either.
    """
    scores, found = mean_scores(results), presences(results)
    n_acc = _share([part.predicted == 0 for part in found if part.true == 0])
    t_acc = _share([part.predicted > 0 for part in found if part.true > 0])
    final = (scores["jf"] + n_acc + t_acc) / 3
    # always the same object where it is not a number, so that equal results compare equal
    return {"final": math.nan if math.isnan(final) else final, "n_acc": n_acc, "t_acc": t_acc, **scores}


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else math.nan
