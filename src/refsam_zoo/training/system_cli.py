"""validate, test and predict with a system of the zoo in the place of a model that was trained here."""

from __future__ import annotations

from typing import ClassVar

from lightning.pytorch.cli import LightningArgumentParser

from refsam_zoo.errors import InputError
from refsam_zoo.options.trainer_options import SYSTEM_TEXT
from refsam_zoo.systems.base import SystemOrMaker
from refsam_zoo.training.cli import RefSAMCLI
from refsam_zoo.training.system_module import SystemModule


def require_evaluation(command: str, named: set[str]) -> None:
    """Makes sure that a system is only scored or asked for masks, and stands alone.

    Args:
        command: `fit`, `validate`, `test` or `predict`.
        named: Names of the options that are given.

    Raises:
        InputError: It should be trained, or a model is given too.
    """
    if command == "fit":
        raise InputError("fit trains a model, not a system; validate, test and predict take --system")
    if "model" in named:
        raise InputError("a model and a system are both given; leave one out, with its configuration file")


class SystemCLI(RefSAMCLI):
    """The command line of evaluation with the option `system` where RefSAM has `model`."""

    module: ClassVar = SystemModule

    def add_model_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds the system, to be made when everything else is known to be right."""
        parser.add_argument(
            "--system",
            type=SystemOrMaker,
            required=True,
            help=SYSTEM_TEXT,
        )

    def before_instantiate_classes(self) -> None:
        """Refuses a checkpoint, which is that of a model.

        Raises:
            InputError: There is one.
        """
        if self.config[self.subcommand]["ckpt_path"] is not None:
            raise InputError("--ckpt_path is a model's; a system's weights are among its options: --system.help NAME")
        super().before_instantiate_classes()

    def made_module(self) -> SystemModule:
        """Makes the system, whose weights may take long to read."""
        return SystemModule(self.config_init[self.subcommand]["system"]())
