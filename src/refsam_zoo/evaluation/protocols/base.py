"""How every protocol goes about it, and what it gives back."""

from __future__ import annotations

import csv
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from refsam_zoo.evaluation.completeness import Completeness, OnIncomplete
from refsam_zoo.types import Referral

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
        unit: What a row is about: `expression`, `object` or `image`.
        draw: Draws pictures of the result into a folder, if there are any.
    """

    protocol: str
    scores: dict[str, float]
    rows: Sequence[dict[str, object]]
    completeness: Completeness
    unit: str
    draw: Callable[[Path], None] | None = field(default=None, compare=False)

    def write(self, folder: str | Path) -> None:
        """Writes `per_<unit>.csv`, `summary.json`, where numbers that are none become null, and `summary.md`."""
        folder = Path(folder)
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        with (folder / f"per_{self.unit}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)
        scores = {name: None if math.isnan(value) else value for name, value in self.scores.items()}
        found = {"expected": self.completeness.expected, "found": self.completeness.found}
        listed = {"missing": self.completeness.missing, "extra": self.completeness.extra}
        summary = {"protocol": self.protocol, "scores": scores, "masks": {**found, **listed}}
        (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
        (folder / "summary.md").write_text(self.markdown() + "\n", encoding="utf-8")
        if self.draw is not None:
            self.draw(folder)

    def markdown(self) -> str:
        """Prints the totals in points of 100 as a table, and below it what was missing."""
        lines = [f"| {self.protocol} | points |", "|---|---:|"]
        lines += [f"| {name} | {100 * value:.1f} |" for name, value in self.scores.items()]
        return "\n".join(lines + ([] if self.completeness.complete else ["", *self.completeness.lines()]))


@dataclass(frozen=True)
class Comparison(Generic[Item, Result]):
    """Predictions laid beside their ground truth.

    Attributes:
        label: What the predictions are called in a message.
        completeness: What was asked for and what was found.
        items: What is scored one by one, such as videos.
        score: Scores an item.
        collect: Makes the result of the scores of all items, in their order.
    """

    label: str
    completeness: Completeness
    items: Sequence[Item]
    score: Callable[[Item], Result]
    collect: Callable[[Sequence[Result]], Evaluation]


class BaseProtocol(ABC):
    """Scores predictions against ground truth."""

    def evaluate(
        self,
        predictions: Path,
        data: Path | Sequence[Referral],
        on_incomplete: OnIncomplete = "error",
        threads: int = 1,
    ) -> Evaluation:
        """Scores a file, folder or zip of predictions.

        Args:
            predictions: As `compare` of the protocol says.
            data: As `compare` of the protocol says.
            on_incomplete: What to do about missing masks.
            threads: Items scored at a time.

        Raises:
            InputError: Predictions are incomplete, or what `compare` raises.
        """
        comparison = self.compare(predictions, data)
        comparison.completeness.require(comparison.label, on_incomplete)
        return comparison.collect(_each(comparison.score, comparison.items, threads))

    @abstractmethod
    def compare(self, predictions: Path, data: Path | Sequence[Referral]) -> Comparison[Any, Any]:
        """Opens predictions and ground truth."""


def _each(score: Callable[[Item], Result], items: Sequence[Item], threads: int) -> list[Result]:
    """Scores items in order, by several threads where asked: decoding and counting leave Python's lock alone."""
    if threads <= 1:
        return [score(item) for item in items]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(score, items))
