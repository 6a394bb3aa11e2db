"""What Lightning does not publish: names with an underscore, the inside of its loops, and what its messages say."""

from __future__ import annotations

import inspect
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningCLI

HARMLESS = (
    "LightningCLI's args parameter",  # a program's own words are no misuse of `args`
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning's use of PyTorch, not the user's
    r"Found \d+ module\(s\) in eval mode",  # frozen encoders stay in it on purpose
    "You have overridden `transfer_batch_to_device`",  # the model's own is the one meant: a cache keeps frames back
    "Checkpoint directory .* exists and is not empty",  # so it is when a run goes on; a new one is refused there
)
"""How warnings begin that look like a fault and are none; all others are shown."""

ADVERTISEMENT = "\N{ELECTRIC LIGHT BULB} Tip: For seamless cloud"
"""How Lightning's recommendations of its own services begin."""

_LOGGERS = ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero")
_TRAINER_OPTIONS = sorted(set(inspect.signature(Trainer).parameters) - {"callbacks", "logger"}, key=len, reverse=True)


class CLIWithoutCheckpointOptions(LightningCLI):
    """A command line on which a checkpoint's hyper-parameters never override files and flags."""

    def _parse_ckpt_path(self) -> None:
        """Leaves the configuration alone."""


def is_after_batch(trainer: Trainer) -> bool:
    """Whether a batch has been trained on, and Lightning is in the hooks that follow it."""
    batches: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    return bool(batches.completed < batches.processed)


def take_up_step_metrics(trainer: Trainer) -> None:
    """Counts in what a step has logged, which Lightning does after the hook `on_train_batch_end`."""
    trainer._logger_connector.update_train_step_metrics()


def keep_validation_ahead(trainer: Trainer, checkpoint: dict[str, Any]) -> None:
    """Has a checkpoint made between a batch and the validation that is due know of that, which Lightning leaves out."""
    loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher
    if fetcher is None or not is_after_batch(trainer) or not loop._should_check_val_fx(fetcher):
        return
    progress = checkpoint["loops"]["fit_loop"]
    for counted in ("total", "current"):
        progress["epoch_loop.batch_progress"][counted]["completed"] += 1
    # as `validate_anew_when_continued`: the first batch has just begun
    validation = progress["epoch_loop.val_loop.batch_progress"]
    for counted in ("total", "current"):
        validation[counted] = {"ready": 1, "started": 1, "processed": 0, "completed": 0}


def validate_anew_when_continued(trainer: Trainer) -> None:
    """Puts the validation inside `fit` where Lightning takes it up again: its first batch has just begun."""
    progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
    progress.reset()
    progress.increment_ready()
    progress.increment_started()


def mentioned_option(message: str) -> str | None:
    """Finds the first option of the trainer that a message speaks of."""
    found = re.search("|".join(_TRAINER_OPTIONS), message, flags=re.IGNORECASE)
    return found[0].lower() if found else None


@contextmanager
def without_harmless_messages() -> Iterator[None]:
    """Leaves out `HARMLESS` and `ADVERTISEMENT` as long as it is entered."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    with warnings.catch_warnings():
        for message in HARMLESS:
            warnings.filterwarnings("ignore", message=message)
        for logger in loggers:
            logger.addFilter(_is_no_advertisement)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeFilter(_is_no_advertisement)


def _is_no_advertisement(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(ADVERTISEMENT)
