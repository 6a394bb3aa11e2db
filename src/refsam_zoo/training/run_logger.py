"""`metrics.csv` and `hparams.yaml` of a run: added to or replaced whole, cut only where a run goes back."""

from __future__ import annotations

import csv
import io
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from refsam_zoo.output_files import append_whole, write_whole
from refsam_zoo.private_parts.pytorch_lightning import is_after_batch, take_up_step_metrics

_STEPS_AT_A_TIME = 100
_ROWS = "rows_of_metrics"


class RunLogger(Logger):
    """Writes a table that grows over the parts of a run that is continued, under a header that grows at its end.

    Args:
        folder: The run's folder.
    """

    name = version = ""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._rows: list[dict[str, Any]] = []
        self._columns: list[str] | None = None
        self._written = 0
        self._last: dict[str, Any] = {}
        self._options: dict[str, Any] = {}

    @property
    def save_dir(self) -> str:
        """The run's folder."""
        return str(self._folder)

    @property
    def log_dir(self) -> str:
        """The run's folder."""
        return str(self._folder)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float | Tensor], step: int | None = None) -> None:
        """Keeps a row, and writes what is kept now and then; the same row again says nothing."""
        step = len(self._rows) if step is None else step
        numbers = {name: value.item() if isinstance(value, Tensor) else value for name, value in metrics.items()}
        if self._last == (row := {**numbers, "step": step}):
            return
        self._last = row
        self._rows.append(row)
        if (step + 1) % _STEPS_AT_A_TIME == 0:
            self.save()

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        """Writes the hyper-parameters as plain YAML."""
        self._options.update(vars(params) if isinstance(params, Namespace) else params)
        write_whole(self._folder / "hparams.yaml", yaml.safe_dump(self._options, sort_keys=False).encode())

    def after_save_checkpoint(self, checkpoint_callback: Checkpoint) -> None:
        """Writes what is logged up to a checkpoint, so that a run continued from it lacks nothing."""
        self.save()

    @rank_zero_only
    def save(self) -> None:
        """Appends the rows that were logged since; the file is replaced where they have new columns."""
        if not self._rows:
            return
        path = self._folder / "metrics.csv"
        if self._columns is None:
            self._columns, self._written = _so_far(path)
        new = sorted({name for row in self._rows for name in row} - set(self._columns))
        if new:
            self._columns = [*self._columns, *new]
            earlier: Sequence[Mapping[str, Any]] = []
            if path.is_file():
                with path.open(encoding="utf-8", newline="") as file:
                    earlier = list(csv.DictReader(file))
            header = dict(zip(self._columns, self._columns, strict=True))
            write_whole(path, _lines(self._columns, [header, *earlier]))
        append_whole(path, _lines(self._columns, self._rows))
        self._written += len(self._rows)
        self._rows = []

    def rows(self) -> int:
        """Writes what is logged and gives the number of rows in the file."""
        self.save()
        return self._written

    @rank_zero_only
    def go_back_to(self, rows: int) -> None:
        """Drops what was logged after a number of rows, by a process that was killed before its next checkpoint."""
        self._columns, self._written = _so_far(self._folder / "metrics.csv", rows)


class HistoryOfCheckpoint(Callback):
    """Lets a run that goes on from a checkpoint have the rows up to that, each once, however it was ended.

    Args:
        logger: What writes the rows.
    """

    def __init__(self, logger: RunLogger) -> None:
        self._logger = logger

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Writes what is logged up to the checkpoint, before that is written, and has it know how much that is."""
        if is_after_batch(trainer):
            take_up_step_metrics(trainer)
        checkpoint[_ROWS] = self._logger.rows()

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Drops the rows that the run is going to write again."""
        if _ROWS in checkpoint:
            self._logger.go_back_to(checkpoint[_ROWS])


def _so_far(path: Path, rows: int | None = None) -> tuple[list[str], int]:
    """Takes up the table of earlier parts of the run, up to a number of rows: its columns and how many rows it has."""
    if not path.is_file():
        return [], 0
    lines = path.read_bytes().splitlines(keepends=True)
    whole = [line for line in lines if line.endswith(b"\n")]  # a process that was killed may have left half a row
    whole = whole if rows is None else whole[: rows + 1]
    if whole != lines:
        write_whole(path, b"".join(whole))
    return next(csv.reader([line.decode() for line in whole[:1]]), []), max(0, len(whole) - 1)


def _lines(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    csv.DictWriter(text, columns).writerows(rows)
    return text.getvalue().encode()
