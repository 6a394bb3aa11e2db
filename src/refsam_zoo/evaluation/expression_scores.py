"""Totals that protocols make of the results of all expressions: name -> value in 0..1."""

from __future__ import annotations

import math
from collections.abc import Sequence

from refsam_zoo.evaluation.presence import Presence, presence_scores
from refsam_zoo.evaluation.results import ExpressionResult, MeanScore, by_tag, presences


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


def long_rvos_scores(results: Sequence[ExpressionResult]) -> dict[str, float]:
    """J and F with `tiou` and `viou` of Long-RVOS, means over expressions: in total and for each type of sentence.

    Of an expression, `tiou` is the number of frames where the target is and was found, divided by those where it is or
    was found; `viou` is the sum of J over the former divided by the latter. Both are 1 where the latter are none.
    """
    scores = {**mean_scores(results), **_overlaps(results)}
    for name, part in by_tag(results, "type").items():
        of_type = {"jf": MeanScore.of(part).jf, **_overlaps(part)}
        scores |= {f"{name}_{score}": value for score, value in of_type.items()}
    return scores


def typed_scores(results: Sequence[ExpressionResult]) -> dict[str, float]:
    """Means over expressions, in total and J&F, J and F for each type of sentence, as `causal_jf`."""
    scores = mean_scores(results)
    for name, part in by_tag(results, "type").items():
        total = MeanScore.of(part)
        scores |= {f"{name.lower()}_{key}": getattr(total, key) for key in ("jf", "j", "f")}
    return scores


def _overlaps(results: Sequence[ExpressionResult]) -> dict[str, float]:
    found = presences(results)
    pairs = zip(results, found, strict=True)
    return {
        "tiou": _mean([part.both / part.either if part.either else 1.0 for part in found]),
        "viou": _mean([_volume_overlap(result.j, part) for result, part in pairs]),
    }


def _volume_overlap(j: float, part: Presence) -> float:
    """Of the mean J over all frames: those that show nothing and got nothing have J = 1, those with one mask 0."""
    return (j * part.frames - (part.frames - part.either)) / part.either if part.either else 1.0


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else math.nan


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
