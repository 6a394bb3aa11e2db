"""Runs a training run again and compares its first losses, bit for bit."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from lightning.pytorch import Callback, LightningModule, Trainer

from refsam_zoo.errors import InputError
from refsam_zoo.training.cli import run_trainer
from refsam_zoo.training.run_record import RECORD, fingerprint, loss_of, surroundings


class _AllCompared(Exception):
    """Ends a run whose losses are compared; it leaves neither checkpoints nor scores."""


class LossComparison(Callback):
    """Compares the losses of a run with those of an earlier one, and ends it after the last that is known.

    Args:
        record: What `run.json` of the earlier run holds.

    Raises:
        InputError: Data or a loss differ; the message says what else does.
    """

    def __init__(self, record: dict[str, Any]) -> None:
        self.record = record
        self._compared = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compares what is trained on."""
        if fingerprint(trainer) != self.record["data"]:
            raise InputError("the videos, frames or sentences are not those that the run was trained on")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Compares the loss of a batch; the first process does, and all others stop with it."""
        expected, loss = self.record["losses"][self._compared], loss_of(outputs)
        self._compared += 1
        equal = trainer.strategy.broadcast(struct.pack("d", loss) == struct.pack("d", expected))
        if not equal and trainer.is_global_zero:
            different = "; ".join(differences(self.record)) or "versions and code are the same"
            raise InputError(f"the loss of step {self._compared} is {loss!r}, it was {expected!r}; {different}")
        if not equal or self._compared == len(self.record["losses"]):
            raise _AllCompared


def rerun_losses(run: Path) -> int:
    """Trains as a run did, in a temporary folder, until all the losses that it kept are compared.

    Args:
        run: The run's folder.

    Returns:
        How many losses are equal, bit for bit.

    Raises:
        InputError: No record of a run, or something differs.
    """
    record = read_record(run)
    with TemporaryDirectory() as folder:
        configuration = Path(folder, "config.yaml")
        configuration.write_text(yaml.safe_dump(record["configuration"]), encoding="utf-8")
        options = [f"--config={configuration}", f"--trainer.default_root_dir={folder}/run", "--trainer.logger=false"]
        try:
            run_trainer(["fit", *options], callbacks=[LossComparison(record)])
        except _AllCompared:
            return len(record["losses"])
        except InputError as error:
            raise InputError(f"{run}: {error}") from error
    raise InputError(f"{run}: this time the training ended before its first {len(record['losses'])} steps")


def read_record(run: Path) -> dict[str, Any]:
    """Reads a run's `run.json`.

    Raises:
        InputError: It is not there, not what `fit` writes, or of a run that was stopped before its first step.
    """
    path = run / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        complete = {"versions", "code", "data", "configuration", "losses"} <= record.keys()
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; `refsam-zoo fit` writes it into the folder of a run") from error
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: cannot be read as the record of a run") from error
    if not complete or not record["losses"]:
        raise InputError(f"{path}: holds no losses; the run was stopped before its first step, or it is another file")
    return dict(record)


def differences(record: dict[str, Any]) -> Iterator[str]:
    """Says in what the programs of today differ from those of a run: "torch 2.6.0, was 2.5.1"."""
    now = surroundings()
    for name in ("python", "platform"):
        if now[name] != record[name]:
            yield f"{name} {now[name]}, was {record[name]}"
    for name in sorted(now["versions"].keys() | record["versions"].keys(), key=str.lower):
        present, earlier = (versions.get(name, "missing") for versions in (now["versions"], record["versions"]))
        if present != earlier:
            yield f"{name} {present}, was {earlier}"
    for state in now["code"]:
        earlier = next((each for each in record["code"] if each["folder"] == state["folder"]), None)
        if earlier is not None and earlier != state:
            yield f"the code in {state['folder']} is another (revision {state['revision'][:10] or 'unknown'})"
