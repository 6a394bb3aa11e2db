"""`metrics.csv` and `hparams.yaml` of a run: added to or replaced whole, never cut."""

from __future__ import annotations

import csv
import io
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from refsam_zoo.output_files import append_whole, write_whole

_STEPS_AT_A_TIME = 100


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
        """Keeps a row, and writes what is kept now and then."""
        step = len(self._rows) if step is None else step
        numbers = {name: value.item() if isinstance(value, Tensor) else value for name, value in metrics.items()}
        self._rows.append({**numbers, "step": step})
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
            self._columns = _columns_so_far(path)
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
        self._rows = []


def _columns_so_far(path: Path) -> list[str]:
    """Takes up the table of earlier parts of the run."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]  # a process that was killed may have left half a row
    if whole != text:
        write_whole(path, whole.encode())
    return next(csv.reader(io.StringIO(whole)), [])


def _lines(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    csv.DictWriter(text, columns).writerows(rows)
    return text.getvalue().encode()
