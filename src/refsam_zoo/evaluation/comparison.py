"""Is one run better than another? A paired bootstrap over the expressions both were asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.results import ExpressionResult, read_csv
from refsam_zoo.output_files import newest_folder

Unit = Literal["expression", "video"]

_ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class Difference:
    """How far the second run is from the first, in J&F.

    Attributes:
        expressions: Number of expressions compared.
        first: J&F of the first run, 0..1.
        second: J&F of the second run, 0..1.
        low: Lower end of the 95 % confidence interval of `second - first`.
        high: Upper end.
    """

    expressions: int
    first: float
    second: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What the interval allows to say of the second run."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "undecided"


def paired_bootstrap(
    first: np.ndarray, second: np.ndarray, groups: Sequence[str], samples: int = 10000, seed: int = 0
) -> Difference:
    """Resamples the paired differences with replacement and takes the percentiles of their mean.

    Args:
        first: float `[N]`, J&F of the first run per expression.
        second: float `[N]`, J&F of the second run for the same expressions.
        groups: N labels; what shares a label is drawn together.
        samples: Number of resamples.
        seed: Decides them.
    """
    _, group = np.unique(np.array(groups), return_inverse=True)
    sums, sizes = np.bincount(group, second - first), np.bincount(group)
    random = np.random.default_rng(seed)
    means = []
    for start in range(0, samples, _ROWS_AT_ONCE):
        drawn = random.integers(0, len(sums), (min(_ROWS_AT_ONCE, samples - start), len(sums)))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5]).tolist()
    return Difference(len(first), float(first.mean()), float(second.mean()), low, high)


def compare(
    first: Sequence[ExpressionResult],
    second: Sequence[ExpressionResult],
    unit: Unit = "expression",
    samples: int = 10000,
    seed: int = 0,
) -> dict[tuple[str, str], Difference]:
    """Compares two tables subset by subset, and kind by kind within each.

    Returns:
        (subset, kind) -> difference; kind `all` is the whole subset.

    Raises:
        InputError: The tables are not about the same expressions.
    """
    one, two = ({_key(result): result for result in results} for results in (first, second))
    if one.keys() != two.keys():
        only = [len(one.keys() - two.keys()), len(two.keys() - one.keys())]
        example = ", ".join(min(one.keys() ^ two.keys()))
        raise InputError(
            f"the runs were not asked the same: {only[0]} expressions only in the first, {only[1]} only in the second, "
            f"for instance {example}"
        )
    rows: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
    for key, result in one.items():
        for kind in ("all", *([result.tags["kind"]] if "kind" in result.tags else [])):
            rows.setdefault((result.subset, kind), []).append(key)
    differences = {}
    for part, keys in rows.items():
        jf, other = (np.array([results[key].jf for key in keys]) for results in (one, two))
        groups = [video_id if unit == "video" else f"{video_id}/{expression_id}" for _, video_id, expression_id in keys]
        differences[part] = paired_bootstrap(jf, other, groups, samples, seed)
    return differences


def compare_runs(
    first: str | Path, second: str | Path, unit: Unit = "expression", samples: int = 10000, seed: int = 0
) -> dict[tuple[str, str], Difference]:
    """Compares two runs as `compare` does.

    Args:
        first: Run folder, its evaluation folder, or a per_expression.csv.
        second: The same of the run that may be better.
        unit: What is drawn anew.
        samples: Number of resamples.
        seed: Decides the resamples.

    Raises:
        InputError: A table cannot be read, or they are not about the same expressions.
    """
    return compare(read_csv(_table_of(Path(first))), read_csv(_table_of(Path(second))), unit, samples, seed)


def _key(result: ExpressionResult) -> tuple[str, str, str]:
    return result.subset, result.video_id, result.expression_id


def _table_of(path: Path) -> Path:
    """Finds the table of a run's last report."""
    for candidate in (newest_folder(path / "evaluation") / "per_expression.csv", path / "per_expression.csv"):
        if candidate.is_file():
            return candidate
    return path
