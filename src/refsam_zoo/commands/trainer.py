"""`refsam-zoo fit`, `validate`, `test` and `predict`: Lightning's command line."""

from __future__ import annotations

from refsam_zoo.options.parser import options_named
from refsam_zoo.training.cli import RefSAMCLI, run_trainer
from refsam_zoo.training.plan import print_plan
from refsam_zoo.training.samwise_cli import SamwiseCLI, require_training
from refsam_zoo.training.system_cli import SystemCLI, require_evaluation


def trainer(arguments: list[str]) -> None:
    """Trains a model or plans it, scores a checkpoint or a system, or writes its masks of a data set.

    Args:
        arguments: `fit`, `plan`, `validate`, `test` or `predict`, and its options.

    Raises:
        InputError: Something the user gave is wrong.
        SystemExit: The command was ended by SIGINT or SIGTERM.
    """
    named = options_named(arguments)
    if arguments[0] == "plan":
        print_plan(arguments[1:], SamwiseCLI if "samwise" in named else RefSAMCLI)
    elif "samwise" in named:
        require_training(arguments[0], named)
        run_trainer(arguments, SamwiseCLI)
    elif "system" not in named:
        run_trainer(arguments)
    else:
        require_evaluation(arguments[0], named)
        run_trainer(arguments, SystemCLI)
