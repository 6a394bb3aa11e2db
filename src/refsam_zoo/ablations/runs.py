"""Trains the rows of an ablation table on RefShapes, several seeds each, and draws the result."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import runpy
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from refsam_zoo.ablations.report import Row, Run, write_ablation
from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.output_files import newest_folder, write_whole

if TYPE_CHECKING:
    from refsam_zoo.model.refsam import RefSAM

TABLE = "paper.csv"
"""File of a table's folder: `row` (name of the configuration file), `title`, and a column per number of the paper."""

BASES = (
    Path("configs/demo.yaml"),
    Path("configs/ablations/base.yaml"),
    Path("configs/ablations/pretrained.yaml"),
)


def run_table(
    table: str | Path,
    bases: Sequence[str | Path],
    rows: Sequence[str],
    seeds: int,
    steps: int,
    data: str | Path,
    output: str | Path,
) -> Iterator[str]:
    """Trains and tests every row of a table with every seed and draws the result, going on where it was.

    Args:
        table: Folder of the table: a configuration file per row, and `paper.csv`.
        bases: Configuration files that every row is put behind.
        rows: Names of the rows to run; all if empty.
        seeds: Seeds per row, 0, 1, ...
        steps: Optimiser steps per run.
        data: RefShapes; generated if it is not there.
        output: Folder that gets `<table>/<steps>_steps/`.

    Yields:
        What begins, as it begins; at last the file of results.

    Raises:
        InputError: The table or a number is wrong, or a run failed.
    """
    table = Path(table)
    data = Path(data)
    output = Path(output)
    if min(seeds, steps) < 1:
        raise InputError(f"seeds and steps must be at least 1, not {seeds} and {steps}")
    listed = read_table(table)
    for name in rows:
        if name not in {row.name for row in listed}:
            raise InputError(f"{table}: no row '{name}'{nearest_name(name, [row.name for row in listed])}")
    folder = output / table.name / f"{steps}_steps"
    chosen = [row for row in listed if not rows or row.name in rows]
    for seed in range(seeds):
        for row in chosen:
            run = folder / row.name / f"seed_{seed}"
            if not _is_done(run):
                yield from _run(run, [*map(Path, bases), table / f"{row.name}.yaml"], _options(run, seed, steps, data))
            write_ablation(folder, listed, list(finished_runs(folder, listed)))
    yield str(folder / "results.md")


def read_table(table: str | Path) -> list[Row]:
    """Reads the rows of a table in their order.

    Raises:
        InputError: The folder or `paper.csv` is not there, or they do not name the same rows.
    """
    table = Path(table)
    try:
        with (table / TABLE).open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"{table / TABLE}: {error.strerror}; a table is a folder of configs/ablations/") from error
    rows = [Row(line.pop("row"), line.pop("title"), line) for line in lines]
    files = {path.stem for path in table.glob("*.yaml")}
    if {row.name for row in rows} != files:
        differing = ", ".join(sorted({row.name for row in rows} ^ files))
        raise InputError(f"{table}: {TABLE} and the configuration files do not name the same rows: {differing}")
    return rows


def finished_runs(folder: str | Path, rows: Sequence[Row]) -> Iterator[Run]:
    """Reads the results of all runs that are finished."""
    folder = Path(folder)
    for row in rows:
        for run in sorted((folder / row.name).glob("seed_*")):
            if _is_done(run):
                subsets = json.loads(_summary(run).read_text(encoding="utf-8"))["subsets"]
                cost = json.loads((run / "cost.json").read_text(encoding="utf-8"))
                yield Run(row.name, run.name, {name: scores["jf"] for name, scores in subsets.items()}, **cost)


@dataclass(frozen=True)
class Cost:
    """What a model costs.

    Attributes:
        learnable: Trained parameters.
        parameters: All parameters.
        seconds_per_frame: One sentence, frames of RefShapes' size, the fastest of several batches.
    """

    learnable: int
    parameters: int
    seconds_per_frame: float

    @classmethod
    def of(cls, model: RefSAM) -> Cost:
        """Counts and measures on the CPU."""
        from refsam_zoo.systems.predictor import Predictor

        numbers = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
        batch = np.zeros((8, 256, 256, 3), np.uint8)
        seconds, stream = [], Predictor(model).stream((batch for _ in range(6)), ["the red circle"])
        begin = time.perf_counter()
        for number, _ in enumerate(stream, 1):
            if number % len(batch) == 0:
                seconds.append((time.perf_counter() - begin) / len(batch))
                begin = time.perf_counter()
        return cls(sum(count for count, trained in numbers if trained), sum(c for c, _ in numbers), min(seconds[1:]))


def _is_done(run: Path) -> bool:
    return _summary(run).is_file() and (run / "cost.json").is_file()


def _summary(run: Path) -> Path:
    return newest_folder(run / "evaluation") / "summary.json"


def _options(run: Path, seed: int, steps: int, data: Path) -> list[str]:
    return [
        f"--seed_everything={seed}",
        f"--data.seed={seed}",
        f"--data.root={data}",
        "--trainer.max_epochs=-1",
        f"--trainer.max_steps={steps}",
        "--trainer.enable_progress_bar=false",
        f"--trainer.default_root_dir={run}",
    ]


def _run(run: Path, configs: Sequence[Path], options: Sequence[str]) -> Iterator[str]:
    """Trains, tests and measures in processes of their own, which leave nothing behind; yields what begins."""
    options = [*(f"--config={config}" for config in configs), *options]
    last = run / "checkpoints" / "last.ckpt"
    resume = [f"--ckpt_path={last}"] if last.is_file() else []
    if not resume:  # what was stopped before its first checkpoint begins anew, in the same folder
        (run / "metrics.csv").unlink(missing_ok=True)
        shutil.rmtree(run / "checkpoints", ignore_errors=True)
    yield f"{run}: fit"
    _call(run, ["fit", *options, *resume])
    if not _summary(run).is_file():
        yield f"{run}: test"
        _call(run, ["test", *options, f"--ckpt_path={last}"])
    from refsam_zoo.checkpoints.restoring import load_model

    cost = Cost.of(load_model(last))
    write_whole(run / "cost.json", (json.dumps(cost.__dict__) + "\n").encode())


def _call(run: Path, arguments: Sequence[str]) -> None:
    run.mkdir(parents=True, exist_ok=True)
    log = run / "log.txt"
    # forked from a process that has imported everything and done nothing: a command starts at once
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["refsam_zoo.training.cli"])
    process = context.Process(target=_command, args=(arguments, log))
    process.start()
    process.join()
    if process.exitcode != 0:
        reason = log.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
        raise InputError(f"{run}: {arguments[0]} failed, see {log}: {reason}")


def _command(arguments: Sequence[str], log: Path) -> None:
    """Is `refsam-zoo` with its output in a file; runs in a process of its own."""
    with log.open("a", encoding="utf-8") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    sys.argv = ["refsam-zoo", *arguments]
    runpy.run_module("refsam_zoo", run_name="__main__")
