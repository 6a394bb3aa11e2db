from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.demos.boring_classes import BoringDataModule, BoringModel
from lightning.pytorch.loggers import Logger

from refsam_zoo.private_parts.pytorch_lightning import (
    ADVERTISEMENT,
    CLIWithoutCheckpointOptions,
    mentioned_option,
    take_up_step_metrics,
    validate_anew_when_continued,
    without_harmless_messages,
)


class Model(LightningModule):
    def __init__(self, width: int = 1) -> None:
        super().__init__()


@pytest.mark.parametrize(("kind", "expected"), [(LightningCLI, 7), (CLIWithoutCheckpointOptions, 1)])
def test_options_of_a_checkpoint_are_left_alone(kind: type[LightningCLI], expected: int, tmp_path: Path) -> None:
    torch.save({"hyper_parameters": {"width": 7}}, tmp_path / "last.ckpt")
    widths = list[int]()

    class Reading(kind):  # type: ignore[misc, valid-type]
        def before_instantiate_classes(self) -> None:
            widths.append(self.config[self.subcommand]["model"]["width"])
            raise SystemExit

    with pytest.raises(SystemExit):
        Reading(Model, BoringDataModule, args=["test", f"--ckpt_path={tmp_path / 'last.ckpt'}"])
    assert widths == [expected]


class Logging(BoringModel):
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.log("number", float(batch_idx))
        return super().training_step(batch, batch_idx)


class Recorder(Logger):
    name = version = ""

    def __init__(self) -> None:
        self.numbers = list[float]()

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """There is nothing to keep."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.numbers.append(metrics["number"])


def test_metrics_of_a_step_are_taken_up(tmp_path: Path) -> None:
    logger, seen = Recorder(), list[tuple[int, int]]()

    class Early(Callback):
        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            before = len(logger.numbers)
            take_up_step_metrics(trainer)
            seen.append((before, len(logger.numbers)))
            if len(seen) == 2:
                raise SystemExit

    trainer = Trainer(
        default_root_dir=tmp_path, max_steps=3, log_every_n_steps=1, limit_val_batches=0, callbacks=[Early()],
        accelerator="cpu", logger=logger, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    with pytest.raises(SystemExit):
        trainer.fit(Logging())
    assert logger.numbers == [0, 0, 1]
    assert seen == [(0, 1), (2, 3)], "Lightning's own comes after the hook"


def test_a_validation_begins_anew() -> None:
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    validate_anew_when_continued(trainer)
    current = trainer.fit_loop.state_dict()["epoch_loop.val_loop.batch_progress"]["current"]
    assert current == {"ready": 1, "started": 1, "processed": 0, "completed": 0}


def test_the_option_that_lightning_speaks_of() -> None:
    with pytest.raises(MisconfigurationException) as error:
        Trainer(accelerator="cpu", logger=False, limit_val_batches=-3)
    assert mentioned_option(str(error.value)) == "limit_val_batches"
    assert mentioned_option("something else") is None


def test_only_harmless_messages_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    logger, shown = logging.getLogger("lightning.pytorch.utilities.rank_zero"), list[str]()
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: shown.append(record.getMessage()))
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "level", logging.INFO)
    with warnings.catch_warnings(record=True) as seen, without_harmless_messages():
        warnings.warn("Found 7 module(s) in eval mode at the start of training.", stacklevel=1)
        warnings.warn("the data is broken", stacklevel=1)
        logger.info(f"{ADVERTISEMENT} logging and experiment tracking, try installing something.")
        logger.info("GPU available: False")
    assert [str(warning.message) for warning in seen] == ["the data is broken"]
    assert shown == ["GPU available: False"]
