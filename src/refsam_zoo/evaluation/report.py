"""The folder a test run leaves behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation import figures, reliability, results
from refsam_zoo.evaluation.examples import Example
from refsam_zoo.evaluation.reliability import ScoredSubsets
from refsam_zoo.evaluation.results import ExpressionResult
from refsam_zoo.output_files import next_folder


def write_report(
    folder: Path,
    rows: Sequence[ExpressionResult],
    examples: Sequence[tuple[str, Sequence[Example]]] = (),
    worst: Sequence[Example] = (),
    metrics_csv: Path | None = None,
    scored: ScoredSubsets | None = None,
) -> Path:
    """Writes tables and pictures, all of them or none; an earlier report is left alone.

    Files: `per_expression.csv`, `summary.json`, `summary.md`, `breakdowns.png` (of the first subset), `examples.png`
    and `worst.png` if there are examples, `curves.png` if the run's metrics are given and hold any, and of scores
    `reliability.json` and `reliability.png` (of the first subset).

    Args:
        folder: Where to; if there is one already, the next name of `folder-2`, `folder-3`, ... is taken.
        rows: One row per expression.
        examples: What `ExampleKeeper.worst_median_best` chose.
        worst: What `ExampleKeeper.worst` chose.
        metrics_csv: The file of Lightning's `CSVLogger`; may be absent.
        scored: Frames whose masks have a score, if there are any.

    Returns:
        The folder that was written.

    Raises:
        InputError: The folder cannot be written.
    """

    def write(partial: Path) -> None:
        results.write_csv(rows, partial / "per_expression.csv")
        results.write_json(rows, partial / "summary.json")
        results.write_markdown(rows, partial / "summary.md")
        if rows:
            figures.draw_breakdowns(next(iter(results.by_subset(rows).values())), partial / "breakdowns.png")
        if examples:
            figures.draw_examples(examples, partial / "examples.png")
        if worst:
            figures.draw_worst(worst, partial / "worst.png")
        if metrics_csv is not None and metrics_csv.is_file():
            figures.draw_curves(metrics_csv, partial / "curves.png")
        if scored:
            write_scored(scored, partial)

    return write_folder(folder, write)


def write_scored(scored: ScoredSubsets, folder: Path) -> None:
    """Writes `reliability.json` and, of the first subset, `reliability.png` into a folder."""
    reliability.write_reliability(scored, folder / "reliability.json")
    figures.draw_reliability(next(iter(scored.values())), folder / "reliability.png")


def write_folder(folder: Path, write: Callable[[Path], None]) -> Path:
    """Makes a folder whole or not at all; an earlier one is left alone.

    Args:
        folder: Where to; if there is one already, the next name of `folder-2`, `folder-3`, ... is taken.
        write: Writes the files into the folder it is given.

    Returns:
        The folder that was written.

    Raises:
        InputError: It cannot be written.
    """
    partial = folder.with_name(f".{folder.name}-{os.getpid()}")
    try:
        partial.mkdir(parents=True)
        try:
            write(partial)
            return partial.rename(next_folder(folder))
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise InputError(f"cannot write the folder '{folder}': {error.strerror or error}") from error
