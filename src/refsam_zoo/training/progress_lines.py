"""Progress as plain lines, for a log file, a pipe or a cluster's output."""

from __future__ import annotations

import math
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from refsam_zoo.callbacks.scores import KINDS


class ProgressLines(Callback):
    """Prints how far a command is: at its start, after each epoch, and every half minute in between.

    A line names epoch, step, loss and measured scores, the time that has passed and the time that is left.

    Args:
        seconds: Time between two lines; a batch that takes longer delays its line.
    """

    def __init__(self, seconds: float = 30.0) -> None:
        self.seconds = seconds
        self._begin = self._printed = time.monotonic()
        self._first_step = 0
        self._done = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Says what is ahead."""
        self._begin, self._first_step = time.monotonic(), trainer.global_step
        total = self._total_steps(trainer)
        self._print(trainer, f"training from step {trainer.global_step}" + (f" to {total:.0f}" if total else ""))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Prints a line if it is time."""
        if self._is_time():
            batches = f"batch {batch_idx + 1}{_of(trainer.num_training_batches)}"
            self._print(trainer, self._training_line(trainer, batches, ("loss",)))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prints the losses and scores of the epoch."""
        self._print(trainer, self._training_line(trainer, "done", ("loss", "val/")))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counts from here."""
        self._start(trainer)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counts from here."""
        self._start(trainer)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counts from here."""
        self._start(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Prints a line if it is time."""
        self._count(trainer, trainer.num_val_batches)

    def on_test_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Prints a line if it is time."""
        self._count(trainer, trainer.num_test_batches)

    def on_predict_batch_end(self, trainer: Trainer, *_: Any, **__: Any) -> None:
        """Prints a line if it is time."""
        self._count(trainer, trainer.num_predict_batches)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Says so at the end of `validate`; inside `fit` the line of the epoch does."""
        if trainer.state.fn == TrainerFn.VALIDATING:
            self._finish(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Says so."""
        self._finish(trainer)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Says so."""
        self._finish(trainer)

    def _start(self, trainer: Trainer) -> None:
        self._done = 0
        if trainer.state.fn != TrainerFn.FITTING:
            self._begin = time.monotonic()

    def _count(self, trainer: Trainer, batches: list[int | float]) -> None:
        self._done += 1
        if not trainer.sanity_checking and self._is_time():
            total = sum(batches)
            left = "" if trainer.state.fn == TrainerFn.FITTING else self._time_left(self._done, total)
            self._print(trainer, f"{_stage(trainer)}: batch {self._done}{_of(total)}, {self._passed()}{left}")

    def _finish(self, trainer: Trainer) -> None:
        self._print(trainer, f"{_stage(trainer)}: {self._done} batches done, {self._passed()}")

    def _training_line(self, trainer: Trainer, where: str, metrics: tuple[str, ...]) -> str:
        epochs = _of(trainer.max_epochs or math.inf)
        logged = {name: value for name, value in trainer.callback_metrics.items() if f"/{KINDS}/" not in name}
        shown = {name: value for name, value in logged.items() if any(m in name for m in metrics)}
        scores = "".join(f", {name} {float(value):.4g}" for name, value in shown.items())
        left = self._time_left(trainer.global_step - self._first_step, self._total_steps(trainer) - self._first_step)
        step = f"epoch {trainer.current_epoch + 1}{epochs} {where}, step {trainer.global_step}"
        return f"{step}{scores}, {self._passed()}{left}"

    @staticmethod
    def _total_steps(trainer: Trainer) -> float:
        """Optimiser steps at the end of training; 0 where nobody knows."""
        epochs = trainer.max_epochs if trainer.max_epochs is not None and trainer.max_epochs >= 0 else math.inf
        batches = trainer.num_training_batches
        per_epoch = batches if math.isinf(batches) else math.ceil(batches / trainer.accumulate_grad_batches)
        limits = (epochs * per_epoch, trainer.max_steps if trainer.max_steps >= 0 else math.inf)
        return 0 if math.isinf(min(limits)) else min(limits)

    def _is_time(self) -> bool:
        return time.monotonic() - self._printed >= self.seconds

    def _passed(self) -> str:
        return _clock(time.monotonic() - self._begin)

    def _time_left(self, done: float, total: float) -> str:
        if done <= 0 or not done < total < math.inf:
            return ""
        return f", about {_clock((time.monotonic() - self._begin) / done * (total - done))} to go"

    def _print(self, trainer: Trainer, line: str) -> None:
        self._printed = time.monotonic()
        if trainer.is_global_zero:
            print(line, flush=True)


def _stage(trainer: Trainer) -> str:
    return trainer.state.stage.value if trainer.state.stage is not None else ""


def _of(total: float) -> str:
    return f"/{total:.0f}" if 0 < total < math.inf else ""


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
