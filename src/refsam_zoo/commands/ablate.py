"""`refsam-zoo ablate`: the rows of an ablation table beside the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from refsam_zoo.ablations.runs import BASES, run_table
from refsam_zoo.number_types import PositiveInt


def ablate(
    table: str | Path,
    *,
    bases: Sequence[str | Path] = BASES,
    rows: Sequence[str] = (),
    seeds: PositiveInt = 3,
    steps: PositiveInt = 800,
    data: str | Path = Path("data/ref_shapes_ablations"),
    output: str | Path = Path("runs/ablations"),
) -> None:
    """Trains and tests every row of a table with every seed and draws the result beside the paper's numbers.

    Stopped at any moment and started again, it goes on where it was: results that are there are kept, a run that was
    interrupted continues from its last checkpoint. Several may work on different rows at the same time.

    Args:
        table: Folder of the table: a configuration file per row, and `paper.csv`.
        bases: Configuration files that every row is put behind.
        rows: Names of the rows to run; all if not given. The result always shows all that are there.
        seeds: Seeds per row, 0, 1, ...; each decides weights, order and augmentation.
        steps: Optimiser steps per run.
        data: RefShapes; generated if it is not there.
        output: Folder that gets `<table>/<steps>_steps/`, in it a folder per run and `results.md`, `.csv` and `.png`.

    Raises:
        InputError: The table or a number is wrong, or a run failed.
    """
    for line in run_table(table, bases, rows, seeds, steps, data, output):
        print(line, flush=True)
