"""What every protocol gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from refsam_zoo.evaluation.completeness import Completeness

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Evaluation:
    """The result of scoring a set of predictions.

    Attributes:
        protocol: Name of the protocol.
        scores: Totals by name, in 0..1.
        rows: One row per object, expression or image: column -> value.
        completeness: What was asked for and what was found.
    """

    protocol: str
    scores: dict[str, float]
    rows: Sequence[dict[str, object]]
    completeness: Completeness


def each(score: Callable[[Item], Result], items: Sequence[Item], threads: int) -> list[Result]:
    """Scores items in order, by several threads where asked: decoding and counting leave Python's lock alone."""
    if threads <= 1:
        return [score(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(score, items))
