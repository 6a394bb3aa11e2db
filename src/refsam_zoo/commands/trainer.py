"""`refsam-zoo fit`, `validate`, `test` and `predict`: Lightning's command line."""

from __future__ import annotations

from refsam_zoo.training.cli import run_trainer


def trainer(arguments: list[str]) -> None:
    """Trains a model, scores a checkpoint or writes the masks of a data set.

    Args:
        arguments: `fit`, `validate`, `test` or `predict`, and its options.

    Raises:
        InputError: Something the user gave is wrong.
        SystemExit: The command was ended by SIGINT or SIGTERM.
    """
    run_trainer(arguments)
