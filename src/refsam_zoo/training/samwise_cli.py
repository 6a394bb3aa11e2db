"""The command line that trains SAMWISE."""

from __future__ import annotations

from typing import ClassVar

from lightning.pytorch.cli import LightningArgumentParser

from refsam_zoo.errors import InputError
from refsam_zoo.options.trainer_options import SAMWISE_DEFAULTS
from refsam_zoo.training.cli import RefSAMCLI
from refsam_zoo.training.samwise_module import SamwiseTraining


def require_training(command: str, named: set[str]) -> None:
    """Makes sure that SAMWISE is trained here, and stands alone.

    Args:
        command: `fit`, `validate`, `test` or `predict`.
        named: Names of the options that are given.

    Raises:
        InputError: It should be scored, or a model or system is given too.
    """
    if command != "fit":
        raise InputError("samwise: is what fit trains; validate, test and predict take --system samwise, with the "
                         "checkpoint as --system.weights")  # fmt: skip
    for other in ("model", "system"):
        if other in named:
            raise InputError(f"samwise and {other} are both given; leave one out, with its configuration file")


class SamwiseCLI(RefSAMCLI):
    """The command line of training with the option `samwise` where RefSAM has `model`."""

    module: ClassVar = SamwiseTraining

    def add_model_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds SAMWISE."""
        parser.add_lightning_class_args(self.module, "samwise")
        parser.set_defaults(SAMWISE_DEFAULTS)

    def made_module(self) -> SamwiseTraining:
        """Takes SAMWISE for what is trained."""
        made: SamwiseTraining = self.config_init[self.subcommand]["samwise"]
        return made
