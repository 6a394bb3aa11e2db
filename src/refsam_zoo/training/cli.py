"""fit, validate, test and predict: LightningCLI with RefSAM's defaults and run folders."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, ClassVar

import yaml
from jsonargparse import Namespace
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, SaveConfigCallback
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn

import refsam_zoo.data_modules  # noqa: F401  makes the short names of data modules known
from refsam_zoo.callbacks.masks import MaskWriter
from refsam_zoo.callbacks.pictures import ValidationPictures
from refsam_zoo.callbacks.protocol import ProtocolCallback
from refsam_zoo.callbacks.scores import EvaluationCallback
from refsam_zoo.callbacks.submission import SubmissionWriter
from refsam_zoo.checkpoints.restoring import read_checkpoint, require_steps_left
from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.expression_scores import mean_scores
from refsam_zoo.evaluation.protocols import ExpressionProtocol, Protocol, get_protocol
from refsam_zoo.options.parser import ConfigFile, OneLineErrors
from refsam_zoo.options.trainer_options import (
    CHECKPOINT_DEFAULTS,
    CONFIG_TEXT,
    MODEL_DEFAULTS,
    OWN,
    SEED,
    TRAINER_DEFAULTS,
)
from refsam_zoo.output_files import NO_ROOM, require_empty, write_whole
from refsam_zoo.precision import accelerator_device, default_precision
from refsam_zoo.private_parts.pytorch import is_lost_worker
from refsam_zoo.private_parts.pytorch_lightning import CLIWithoutCheckpointOptions, without_harmless_messages
from refsam_zoo.training import run_folder
from refsam_zoo.training.checkpoint_files import MovedRuns, ValidationAhead, WholeCheckpoints
from refsam_zoo.training.class_changes import options_stay_with_their_class
from refsam_zoo.training.module import ReferringSegmentation
from refsam_zoo.training.option_checks import check_callbacks, check_monitors, check_options, lightning_refusals
from refsam_zoo.training.progress_lines import ProgressLines
from refsam_zoo.training.run_logger import HistoryOfCheckpoint, RunLogger
from refsam_zoo.training.run_record import RunRecord
from refsam_zoo.training.sharding import require_sharded
from refsam_zoo.training.stop_signals import StopSignals
from refsam_zoo.training.system_module import SystemModule
from refsam_zoo.weights.files import weights_follow


class _Parser(OneLineErrors, LightningArgumentParser):
    """LightningCLI's parser with one-line errors, and with options that stay with their class."""

    def parse_args(self, *args: Any, **kwargs: Any) -> Namespace:  # type: ignore[override]
        """As in the base class."""
        with options_stay_with_their_class():
            return super().parse_args(*args, **kwargs)


class _SaveConfig(SaveConfigCallback):
    """Writes the whole configuration into the run folder, a file per command, and to the logger once."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Names the file before the base class writes it."""
        self.save_to_log_dir = False
        super().setup(trainer, pl_module, stage)

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Runs on rank zero only."""
        name = "config.yaml" if stage == "fit" else f"config_{TrainerFn(stage).value}.yaml"
        text = self.parser.dump(self.config, format="yaml", skip_none=False)
        write_whole(Path(trainer.default_root_dir) / name, text.encode())
        for logger in trainer.loggers:
            logger.log_hyperparams({"config": yaml.safe_load(text)})  # plain values


class RefSAMCLI(CLIWithoutCheckpointOptions):
    """LightningCLI with RefSAM's parts by short name, two checkpoint callbacks and the J&F evaluation.

    Attributes:
        module: What runs under the trainer.
        folder: The run's folder, as configured until it is chosen.
    """

    module: ClassVar[type[LightningModule]] = ReferringSegmentation
    folder = Path("the run folder")
    claimed = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._arguments: list[str] = kwargs["args"]
        self._command = self._arguments[0]
        try:
            super().__init__(*args, **kwargs)
        except OSError as error:
            if error.errno not in (*NO_ROOM, errno.EROFS, errno.EACCES):
                raise
            raise InputError(f"{error.filename or self.folder}: cannot be written: {error.strerror}") from error
        except RuntimeError as error:
            if not is_lost_worker(error):
                raise
            why = "mostly the machine's memory is full, or a file ends its decoder; try fewer --data.workers"
            raise InputError(f"a data worker was lost, {why} ({str(error).strip()})") from error
        finally:
            if self.claimed:
                run_folder.release(self.folder)

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]
        """The one command that is run: each has a parser of its own, which takes long to make."""
        return {self._command: super().subcommands()[self._command]}

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """Makes a parser with one-line errors."""
        parser = _Parser(**kwargs)
        parser.add_argument("-c", "--config", action=ConfigFile, help=CONFIG_TEXT)
        return parser

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds trainer, model and data."""
        parser.add_lightning_class_args(self.trainer_class, "trainer")
        chosen = {f"trainer.{name}": value for name, value in self.trainer_defaults.items() if name != "callbacks"}
        parser.set_defaults(chosen)
        self.add_model_to_parser(parser)
        parser.add_lightning_class_args(LightningDataModule, "data", subclass_mode=True)

    def add_model_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds what is trained, with the defaults of RefSAM's parts."""
        parser.add_lightning_class_args(self.module, "model")
        parser.set_defaults(MODEL_DEFAULTS)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds the callbacks every run has and options of evaluation."""
        for name, option in OWN.items():
            parser.add_argument(f"--{name}", type=option.kind, default=option.default, help=option.text)
        parser.add_lightning_class_args(EvaluationCallback, "evaluation")
        parser.add_lightning_class_args(ModelCheckpoint, "best_checkpoint")
        parser.add_lightning_class_args(ModelCheckpoint, "last_checkpoint")
        parser.set_defaults(CHECKPOINT_DEFAULTS)

    def before_instantiate_classes(self) -> None:
        """Looks at options and checkpoint and chooses the run's folder before anything is loaded or computed."""
        command = self.config[self.subcommand]
        trainer = command["trainer"]
        check_options(command)
        self.folder = Path(trainer["default_root_dir"])
        checkpoint = None
        if command["ckpt_path"] != "registry":
            checkpoint = self._checkpoint(command["ckpt_path"])
            command["ckpt_path"] = None if checkpoint is None else str(checkpoint)
        if self.subcommand == "fit" and not trainer["fast_dev_run"]:
            self.folder, self.claimed = run_folder.training_folder(self.folder, checkpoint), True
        else:
            self.folder = (checkpoint and run_folder.home_of(checkpoint, self.folder)) or self.folder
            run_folder.make_folder(self.folder)
        trainer["default_root_dir"] = str(self.folder)
        for logger in _listed(trainer["logger"]):
            _name_after(self.folder, logger)

    def _checkpoint(self, asked: str | Path | None) -> Path | None:
        """Finds the checkpoint that is asked for, or that a requeued job goes on from, and sees that it can be read."""
        fit = self.subcommand == "fit"
        if asked is None:
            checkpoint = run_folder.requeued_checkpoint(self.folder) if fit else None
        else:
            checkpoint = run_folder.named_checkpoint(self.folder, str(asked))
            if fit and asked == "last" and not checkpoint.exists():
                return None  # a command line for the first time and for all others
        if checkpoint is not None:
            content = read_checkpoint(checkpoint)
            if fit:
                trainer = self.config[self.subcommand]["trainer"]
                if _is_sharding(trainer["strategy"]):
                    require_sharded(content, checkpoint)
                require_steps_left(content, checkpoint, trainer["max_steps"], trainer["max_epochs"])
        return checkpoint

    def instantiate_classes(self) -> None:
        """Makes everything; a model whose weights are in a checkpoint misses none."""
        with weights_follow() if self.config[self.subcommand]["ckpt_path"] else nullcontext():
            super().instantiate_classes()
        self.model = self.made_module()
        if self.config_init[self.subcommand]["compile"]:
            self.model.system.compile()

    def made_module(self) -> SystemModule:
        """Gives what runs under the trainer, when everything else is made."""
        return self.model

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Fills in what depends on the machine and on the run folder."""
        made = self.config_init[self.subcommand]
        options = made["trainer"]
        for name in ("best_checkpoint", "last_checkpoint"):
            made[name].dirpath = str(self.folder / run_folder.CHECKPOINTS)
        if options["logger"] in (None, True):
            kwargs["logger"] = RunLogger(self.folder) if self.subcommand == "fit" else False
        plugins, callbacks = _listed(options["plugins"]), list[Callback]([MovedRuns(), ValidationAhead()])
        if not any(isinstance(plugin, CheckpointIO) for plugin in plugins):
            kwargs["plugins"] = [*plugins, WholeCheckpoints()]
        if not sys.stdout.isatty() and not any(isinstance(each, ProgressBar) for each in _listed(options["callbacks"])):
            kwargs["enable_progress_bar"] = False
            callbacks.append(ProgressLines())
        if options["precision"] is None and not options["plugins"]:  # a plugin may be the precision
            accelerator = options["accelerator"]
            name = accelerator if isinstance(accelerator, str) else accelerator.name()
            kwargs["precision"] = default_precision(accelerator_device(name))
        trainer = super().instantiate_trainer(**kwargs)
        trainer.callbacks += callbacks + self._evaluation_callbacks()  # type: ignore[attr-defined]
        histories = [HistoryOfCheckpoint(each) for each in trainer.loggers if isinstance(each, RunLogger)]
        trainer.callbacks += histories  # type: ignore[attr-defined]
        if trainer.logger is not None and self.subcommand == "fit":
            trainer.callbacks.append(LearningRateMonitor("step"))  # type: ignore[attr-defined]
        if self.subcommand == "fit":
            check_callbacks(trainer.callbacks)  # type: ignore[attr-defined]
            check_monitors(trainer.callbacks)  # type: ignore[attr-defined]
            if self.claimed:
                trainer.callbacks.append(RunRecord(self._arguments))  # type: ignore[attr-defined]
        return trainer

    def _evaluation_callbacks(self) -> list[Callback]:
        """What `predict`, `test` and `validate` have besides the scores of every expression."""
        made = self.config_init[self.subcommand]
        chosen = made["protocol"]
        for option, commands in (("submission", ("predict", "test")), ("protocol", ("validate", "test"))):
            if made[option] is not None and self.subcommand not in commands:
                raise InputError(f"--{option} is for {' and '.join(commands)}, not for {self.subcommand}")
        # What a submission needs is looked at before a test, although it is written after it.
        writers = self._submission_writers()
        if self.subcommand == "predict":
            return writers or [MaskWriter()]
        if self.subcommand == "fit":
            return [ValidationPictures()]
        protocol = chosen or self._own_protocol()
        if protocol is None or (chosen is None and _is_scored_in_every_run(get_protocol(protocol))):
            return []
        callback = ProtocolCallback(protocol, self.folder)
        try:
            callback.require_truth(self.datamodule)
        except InputError as error:
            if chosen is not None:
                raise
            rank_zero_warn(f"no scores by the protocol {protocol}, which papers report: {error}")
            return []
        return [callback]

    def _own_protocol(self) -> str | None:
        """The protocol of the data set, or of a data module of one's own that names one."""
        return getattr(self.datamodule, "protocol", None)

    def _submission_writers(self) -> list[Callback]:
        submission = self.config_init[self.subcommand]["submission"]
        if submission is None:
            return []
        require_empty(self.folder / "masks")
        return [MaskWriter(), SubmissionWriter(submission, self._own_protocol() or "")]

    def before_test(self) -> None:
        """Prints one table, that of the evaluation: Lightning's repeats each number once per subset."""
        self.config_init["test"]["verbose"] = False

    def before_predict(self) -> None:
        """Keeps no predictions: those of a whole data set do not fit into memory."""
        self.config_init["predict"]["return_predictions"] = False

    def after_test(self) -> None:
        """Predicts the split that the server asks about, where a submission is wanted."""
        writers = self._submission_writers()
        if writers:
            self.trainer.callbacks += writers  # type: ignore[attr-defined]
            self.trainer.predict(self.model, datamodule=self.datamodule, return_predictions=False)


def _name_after(folder: Path, logger: Any) -> None:
    """Names a logger's run after its folder, where it would get a name by chance."""
    options = logger.get("init_args") if isinstance(logger, Namespace) else None
    for name in ("name", "run_name"):
        if options is not None and name in options and options[name] is None:
            options[name] = folder.resolve().name


def _is_sharding(strategy: Any) -> bool:
    """Whether the strategy, as parsed, is the one that spreads weights."""
    return isinstance(strategy, Namespace) and strategy["class_path"].endswith(".ModelParallelStrategy")


def _listed(value: Any) -> list[Any]:
    """What Lightning takes as None, one or a list."""
    return [] if value is None else value if isinstance(value, list) else [value]


def run_trainer(arguments: list[str], cli: type[RefSAMCLI] = RefSAMCLI, callbacks: Sequence[Callback] = ()) -> None:
    """Runs one of LightningCLI's commands.

    Args:
        arguments: The command and its options.
        cli: Whose options they are.
        callbacks: More of them than the options name.

    Raises:
        InputError: Something the user gave is wrong.
        SystemExit: The command was ended by SIGINT or SIGTERM.
    """
    with without_harmless_messages(), lightning_refusals(), StopSignals() as signals:
        cli(
            cli.module,
            LightningDataModule,
            subclass_mode_data=True,
            save_config_callback=_SaveConfig,
            seed_everything_default=SEED,
            trainer_defaults={**TRAINER_DEFAULTS, "callbacks": [signals, *callbacks]},
            args=arguments,
        )


def _is_scored_in_every_run(protocol: Protocol) -> bool:
    """Whether the totals are those that the evaluation of every run has."""
    return isinstance(protocol, ExpressionProtocol) and protocol.totals is mean_scores
