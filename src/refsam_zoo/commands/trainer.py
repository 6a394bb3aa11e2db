"""`refsam-zoo fit`, `plan`, `validate`, `test` and `predict`: Lightning's command line."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from refsam_zoo.errors import InputError
from refsam_zoo.options.parser import explain_options, options_named
from refsam_zoo.options.source_names import NESTED, nested_options

OPTIONS = (
    "best_checkpoint", "ckpt_path", "compile", "config", "data", "evaluation", "gpus", "help", "last_checkpoint",
    "lr_scheduler", "model", "network", "optimizer", "price", "print_config", "protocol", "return_predictions",
    "samwise", "seed_everything", "speed", "steps", "submission", "system", "trainer", "verbose", "weights_only",
)  # fmt: skip
"""First parts of the names of all options, so that a mistake in one is found before Lightning is imported."""


def trainer(arguments: list[str]) -> None:
    """Trains a model or plans it, scores a checkpoint or a system, or writes its masks of a data set.

    Args:
        arguments: `fit`, `plan`, `validate`, `test` or `predict`, and its options.

    Raises:
        InputError: Something the user gave is wrong.
        SystemExit: The command was ended by SIGINT or SIGTERM.
    """
    command, *options = arguments
    named = options_named(arguments)
    explain_options(options)
    _require_no_mistake(command, options)
    from refsam_zoo.training.cli import RefSAMCLI, run_trainer
    from refsam_zoo.training.plan import print_plan
    from refsam_zoo.training.samwise_cli import SamwiseCLI, require_training
    from refsam_zoo.training.system_cli import SystemCLI, require_evaluation

    if command == "plan":
        print_plan(options, SamwiseCLI if "samwise" in named else RefSAMCLI)
    elif "samwise" in named:
        require_training(command, named)
        run_trainer(arguments, SamwiseCLI)
    elif "system" not in named:
        run_trainer(arguments)
    else:
        require_evaluation(command, named)
        run_trainer(arguments, SystemCLI)


def _require_no_mistake(command: str, options: Sequence[str]) -> None:
    """Refuses a name that is close to that of an option; others may be those of a later release of Lightning."""
    for option in options:
        if not option.startswith("--"):
            continue
        first, *rest = option[2:].partition("=")[0].replace("-", "_").split(".")
        meant = _close_to(first, OPTIONS)
        if first in NESTED and rest:
            part = _close_to(rest.pop(0).rstrip("+"), nested_options(first))
            meant = part and f"{first}.{part}"
        if meant is not None:
            written = option.partition("=")[0].replace("-", "_")[2:]
            right = ".".join([meant, *rest])
            raise InputError(
                f"unknown option '--{written}'; did you mean '--{right}'?; refsam-zoo {command} --help lists them"
            )


def _close_to(name: str, known: Sequence[str]) -> str | None:
    """The known name that an unknown one is close to."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return close[0] if close and name not in known else None
