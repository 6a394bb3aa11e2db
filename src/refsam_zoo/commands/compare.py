"""`refsam-zoo compare`: is one run better than another?"""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.evaluation.comparison import Unit, compare_runs
from refsam_zoo.number_types import PositiveInt, Seed


def compare(
    first: str | Path, second: str | Path, unit: Unit = "expression", samples: PositiveInt = 10000, seed: Seed = 0
) -> None:
    """Compare two runs: differences in J&F with 95 % confidence intervals.

    Args:
        first: Run folder, its evaluation folder, or a per_expression.csv.
        second: The same of the run that may be better.
        unit: What is drawn anew: each expression by itself, or all expressions of a video together, which is stricter.
        samples: Number of resamples.
        seed: Decides the resamples.
    """
    differences = compare_runs(first, second, unit, samples, seed)
    print(f"first: {Path(first)}\nsecond: {Path(second)}\n")
    print("| subset | kind | expressions | first | second | difference | 95 % interval | second is |")
    print("|---|---|---:|---:|---:|---:|---:|---|")
    for (subset, kind), found in differences.items():
        points = f"{100 * found.first:.1f} | {100 * found.second:.1f} | {100 * (found.second - found.first):+.1f}"
        interval = f"{100 * found.low:+.1f} to {100 * found.high:+.1f}"
        print(f"| {subset} | {kind} | {found.expressions} | {points} | {interval} | {found.verdict} |")
