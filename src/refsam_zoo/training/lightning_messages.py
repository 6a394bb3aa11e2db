"""Lightning's words that look like a fault and are none, each left out by its own text; all others are shown."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

HARMLESS = (
    "LightningCLI's args parameter",  # a program's own words are no misuse of `args`
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning's use of PyTorch, not the user's
    r"Found \d+ module\(s\) in eval mode",  # frozen encoders stay in it on purpose
    "You have overridden `transfer_batch_to_device`",  # the model's own is the one meant: a cache keeps frames back
    "Checkpoint directory .* exists and is not empty",  # so it is when a run goes on; a new one is refused there
)
"""How warnings begin that are not shown."""

ADVERTISEMENT = "\N{ELECTRIC LIGHT BULB} Tip: For seamless cloud"
"""How Lightning's recommendations of its own services begin."""

_LOGGERS = ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.rank_zero")


@contextmanager
def without_harmless_messages() -> Iterator[None]:
    """Leaves them out as long as it is entered."""
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
