"""SIGTERM and SIGINT: the state is saved, a line says so, and the exit status tells that the run is not over."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from refsam_zoo.private_parts.pytorch_lightning import take_up_step_metrics, validate_anew_when_continued
from refsam_zoo.training.run_folder import is_first_process, named_checkpoint

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals(Callback):
    """Ends a command on SIGINT with exit status 130 and on SIGTERM with 143; the second signal ends it at once.

    While a model is trained, all processes stop together after the step that one of them was told in, and `last.ckpt`
    is written. A validation inside `fit` is broken off and made again when the run is continued. Everything else has
    nothing to save and ends where it is.

    As a context manager it listens from the start of a command; as a callback it hears where training is. It takes the
    place of Lightning's own handlers, which Lightning sets after it has made everything.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._earlier: dict[int, Any] = {}
        self._trainer: Trainer | None = None
        self._training = False
        self._step = 0

    def __enter__(self) -> StopSignals:
        self._earlier = {number: signal.getsignal(number) for number in _SIGNALS}
        self._listen()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._earlier.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
        if kind is None and self.received is not None:
            _say(f"{signal.Signals(self.received).name} came when everything was done")
            raise SystemExit(_exit_status(self.received))

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Knows the trainer, whose processes are to end too."""
        self._trainer = trainer

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here there is something to save."""
        self._listen()
        self._step = trainer.global_step
        self._training = not getattr(trainer, "fast_dev_run", False)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Everything is saved."""
        self._training = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stops after a step; not amid accumulated gradients, and not before the validation that ends an epoch."""
        if trainer.global_step > self._step and not trainer.is_last_batch and self._is_told(trainer):
            take_up_step_metrics(trainer)
            self._stop(trainer)
        self._step = trainer.global_step

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stops before a validation inside `fit`."""
        self._listen()
        self._break_off_validation(trainer)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stops amid a validation inside `fit`."""
        self._break_off_validation(trainer)

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listens again, after Lightning has set its handlers."""
        self._listen()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listens again, after Lightning has set its handlers."""
        self._listen()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listens again, after Lightning has set its handlers."""
        self._listen()

    def _listen(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                signal.signal(number, self._receive)

    def _receive(self, number: int, _: FrameType | None) -> None:
        if self.received is not None:
            self._forward(signal.SIGKILL)
            os._exit(128 + number)
        self.received = number
        if not self._training:
            self._forward(number)
            _say(f"stopped by {signal.Signals(number).name}")
            raise SystemExit(_exit_status(number))

    def _forward(self, number: int) -> None:
        """Passes a signal on to the processes that Lightning has started for this one."""
        launcher = None if self._trainer is None else self._trainer.strategy.launcher
        if launcher is not None:
            launcher.kill(number)

    def _is_told(self, trainer: Trainer) -> bool:
        told = self.received is not None
        return told if trainer.world_size == 1 else trainer.strategy.reduce_boolean_decision(told, all=False)

    def _break_off_validation(self, trainer: Trainer) -> None:
        if not self._training or trainer.sanity_checking or not self._is_told(trainer):
            return
        validate_anew_when_continued(trainer)
        self._stop(trainer)

    def _stop(self, trainer: Trainer) -> None:
        path = named_checkpoint(Path(trainer.default_root_dir), "last")
        trainer.save_checkpoint(path)
        number = self.received or signal.SIGTERM
        name = signal.Signals(number).name
        _say(f"stopped by {name} after step {trainer.global_step}; continue with --ckpt_path {path}")
        raise SystemExit(_exit_status(number))


def _exit_status(number: int) -> int:
    # Lightning's first process kills itself when one that it has started ends with an error
    return 128 + number if is_first_process() else 0


def _say(message: str) -> None:
    """Writes a line to standard error, also from within a signal handler."""
    if is_first_process():
        os.write(2, f"refsam-zoo: {message}\n".encode())
