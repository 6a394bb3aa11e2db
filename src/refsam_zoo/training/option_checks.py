"""What is looked at before training: options that only Lightning knows about, and names of metrics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from types import FrameType
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback
from lightning.pytorch.accelerators import CPUAccelerator, CUDAAccelerator, MPSAccelerator, XLAAccelerator
from lightning.pytorch.callbacks import LearningRateFinder, StochasticWeightAveraging, Timer

from refsam_zoo.callbacks.scores import validation_metrics
from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.private_parts.jsonargparse_parser import causes
from refsam_zoo.private_parts.pytorch_lightning import mentioned_option
from refsam_zoo.training.module import TRAINING_LOSS
from refsam_zoo.training.optimizer import LearningRates

LEAST = {
    "accumulate_grad_batches": 1,
    "check_val_every_n_epoch": 1,
    "gradient_clip_val": 0,
    "limit_predict_batches": 0,
    "limit_test_batches": 0,
    "limit_train_batches": 0,
    "limit_val_batches": 0,
    "log_every_n_steps": 0,
    "max_epochs": -1,
    "max_steps": -1,
    "min_epochs": 0,
    "min_steps": 0,
    "num_nodes": 1,
    "num_sanity_val_steps": -1,
    "overfit_batches": 0,
    "reload_dataloaders_every_n_epochs": 0,
}
"""Smallest value of the trainer's numbers, some of which it takes as they come and divides by."""

_ACCELERATORS = {"cpu": CPUAccelerator, "cuda": CUDAAccelerator, "mps": MPSAccelerator, "tpu": XLAAccelerator}
_OWN_OPTIMIZER = "its optimiser is AdamW with a rate per part: --model.learning_rates, --model.weight_decay"
_OWN_SCHEDULE = "its schedule is --model.schedule"

UNFIT: dict[type[Callback], str] = {
    LearningRateFinder: "it looks for one rate, and every part has its own; try several --model.learning_rates, as the "
    "sweeps in configs/sweeps/ do",
    StochasticWeightAveraging: "its average gets into no checkpoint, and it replaces --model.schedule; take "
    "EMAWeightAveraging or WeightAveraging, whose checkpoints hold the average",
}
"""Callbacks of Lightning that would fail, or whose result would be lost, and what to do instead."""


def check_options(options: Mapping[str, Any]) -> None:
    """Refuses what Lightning would take and then stumble over, or silently do something else with.

    Args:
        options: The options of a command, as parsed.

    Raises:
        InputError: Names option and value, and what would be right.
    """
    for name, instead in (("optimizer", _OWN_OPTIMIZER), ("lr_scheduler", _OWN_SCHEDULE)):
        if options.get(name) is not None:
            raise InputError(
                f"--{name} cannot be chosen, it would replace what RefSAM's parts are trained by; {instead}"
            )
    trainer = options["trainer"]
    for name, least in LEAST.items():
        value = trainer.get(name)
        if value is not None and not least <= value < math.inf:
            raise InputError(f"--trainer.{name} must be a number from {least} on, not {value}")
    _check_devices(trainer.get("accelerator"), trainer.get("devices"))


def _check_devices(accelerator: Any, devices: Any) -> None:
    if devices in (0, "0", [], "[]"):
        raise InputError(f"--trainer.devices must be a number from 1 on, a list of devices or auto, not {devices}")
    if not isinstance(accelerator, str) or accelerator == "auto":
        return
    known = ("auto", "gpu", *_ACCELERATORS)
    if accelerator not in known:
        raise InputError(
            f"--trainer.accelerator: unknown accelerator '{accelerator}'{nearest_name(accelerator, known)}"
        )
    there = [name for name, kind in _ACCELERATORS.items() if kind.is_available()]
    if accelerator not in there and not (accelerator == "gpu" and {"cuda", "mps"} & {*there}):
        raise InputError(
            f"--trainer.accelerator {accelerator}: there is none on this machine; choose auto or {', '.join(there)}"
        )


def _origin(error: BaseException) -> FrameType | None:
    """Finds the code that raised an error."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return None if step is None else step.tb_frame


@contextmanager
def lightning_refusals() -> Iterator[None]:
    """Turns what Lightning itself says of options into an `InputError`; errors from anywhere else pass through."""
    try:
        yield
    except InputError:
        raise
    except (MisconfigurationException, ValueError, TypeError, ImportError) as error:
        cause = _raised_by_lightning(error)
        if cause is None:
            raise
        message = " ".join(str(cause).split())
        raise InputError(f"{_what_refuses(cause, message)}{message}") from error


def _what_refuses(error: BaseException, message: str) -> str:
    """Names the callback whose code refused, or else the first option of the trainer that the message speaks of."""
    frame = _origin(error)
    callback = None if frame is None else frame.f_locals.get("self")
    if isinstance(callback, Timer):
        return "--trainer.max_time: "
    if isinstance(callback, Callback):
        return f"{type(callback).__name__}: "
    option = mentioned_option(message)
    return f"--trainer.{option}: " if option else ""


def _raised_by_lightning(error: BaseException) -> BaseException | None:
    """Finds the error of which Lightning's code is the origin, also where others are wrapped around it."""
    for found in causes(error):
        frame = _origin(found)
        origin = "" if frame is None else frame.f_globals.get("__name__", "")
        if isinstance(found, MisconfigurationException) or origin.startswith(("lightning.", "lightning_fabric.")):
            return found
    return None


def check_callbacks(callbacks: Sequence[Callback]) -> None:
    """Refuses callbacks that training has no use for.

    Raises:
        InputError: Names the callback, and what to take instead.
    """
    for callback in callbacks:
        for kind, reason in UNFIT.items():
            if isinstance(callback, kind):
                raise InputError(f"--trainer.callbacks {type(callback).__name__}: {reason}")


def check_monitors(callbacks: Sequence[Callback]) -> None:
    """Refuses a callback that waits for a metric nobody logs, before training instead of after an epoch.

    Where a callback comes from outside Lightning and refsam-zoo it may log anything, and nothing is refused.

    Raises:
        InputError: Names callback and metric; suggests the nearest one.
    """
    if any(not type(callback).__module__.startswith(("lightning.", "refsam_zoo.")) for callback in callbacks):
        return
    rates = [*(part.name for part in fields(LearningRates)), "alignment"]
    groups = [name for rate in rates for name in (rate, f"{rate}_vectors")]
    known = [TRAINING_LOSS, *validation_metrics(), "epoch", "step"]
    for callback in callbacks:
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and monitor not in {*known, *(f"lr-AdamW/{name}" for name in groups)}:
            raise InputError(
                f"{type(callback).__name__}: nothing logs the metric '{monitor}' to be monitored"
                f"{nearest_name(monitor, known)}"
            )
