"""`metrics.csv` and `hparams.yaml` of a run: added to or replaced whole, never cut."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from lightning.fabric.loggers.csv_logs import _ExperimentWriter as FabricExperimentWriter
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

from refsam_zoo.output_files import append_whole, write_whole


class RunLogger(CSVLogger):
    """Lightning's CSV logger for runs that are continued: what earlier parts of the run have logged stays.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name="", version="")

    @property
    @rank_zero_experiment
    def experiment(self) -> FabricExperimentWriter:
        """The writer, made when it is first asked for."""
        if self._experiment is None:
            self._experiment = _RunWriter(self.log_dir)
        return self._experiment

    def after_save_checkpoint(self, checkpoint_callback: Checkpoint) -> None:
        """Writes what is logged up to a checkpoint, so that a run continued from it lacks nothing."""
        self.save()


class _RunWriter(ExperimentWriter):
    """Writes rows under a header that grows at its end."""

    def _check_log_dir_exists(self) -> None:
        """Takes up the table of the run so far, in place of the base class's deleting it."""
        path = Path(self.metrics_file_path)
        if not path.is_file():
            return
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]  # a process that was killed may have left half a row
        if whole != text:
            write_whole(path, whole.encode())
        self.metrics_keys = next(csv.reader(io.StringIO(whole)), [])

    def save(self) -> None:
        """Appends the rows that were logged since; the file is replaced where they have new columns."""
        if not self.metrics:
            return
        path = Path(self.metrics_file_path)
        new = sorted({name for row in self.metrics for name in row} - set(self.metrics_keys))
        if new:
            self.metrics_keys = [*self.metrics_keys, *new]
            earlier: Sequence[Mapping[str, Any]] = []
            if path.is_file():
                with path.open(encoding="utf-8", newline="") as file:
                    earlier = list(csv.DictReader(file))
            header = dict(zip(self.metrics_keys, self.metrics_keys, strict=True))
            write_whole(path, self._lines([header, *earlier]))
        append_whole(path, self._lines(self.metrics))
        self.metrics = []

    def _lines(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        text = io.StringIO()
        csv.DictWriter(text, self.metrics_keys).writerows(rows)
        return text.getvalue().encode()

    def log_hparams(self, params: dict[str, Any]) -> None:
        """Writes the hyper-parameters as plain YAML."""
        self.hparams.update(params)
        content = yaml.safe_dump(self.hparams, sort_keys=False)
        write_whole(Path(self.log_dir) / self.NAME_HPARAMS_FILE, content.encode())
