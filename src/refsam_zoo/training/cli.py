"""fit, validate, test and predict: LightningCLI with RefSAM's defaults and run folders."""

from __future__ import annotations

import errno
import os
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ActionConfigFile, Namespace
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn

import refsam_zoo.data_modules  # noqa: F401  makes the short names of data modules known
from refsam_zoo.checkpoints.loading import weights_follow
from refsam_zoo.checkpoints.restoring import read_checkpoint
from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.callback import EvaluationCallback
from refsam_zoo.evaluation.protocols import ExpressionProtocol, get_protocol
from refsam_zoo.evaluation.submission_writer import SubmissionWriter
from refsam_zoo.inference.mask_writer import MaskWriter
from refsam_zoo.model.cross_modal import DENSE_PROMPTS, SPARSE_PROMPTS
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS
from refsam_zoo.model.mask_decoder import MASK_DECODERS
from refsam_zoo.model.text_encoders import TEXT_ENCODERS
from refsam_zoo.model.tracking import TRACKERS
from refsam_zoo.model.tuners import TUNERS
from refsam_zoo.output_files import require_empty
from refsam_zoo.parser import ROLES, OneLineErrors
from refsam_zoo.training.class_changes import options_stay_with_their_class
from refsam_zoo.training.module import ReferringSegmentation
from refsam_zoo.training.protocol_callback import ProtocolCallback

ROLES.update(
    image_encoder=IMAGE_ENCODERS,
    text_encoder=TEXT_ENCODERS,
    tuner=TUNERS,
    text_tuner=TUNERS,
    sparse_prompt=SPARSE_PROMPTS,
    dense_prompt=DENSE_PROMPTS,
    mask_decoder=MASK_DECODERS,
    tracker=TRACKERS,
)


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
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        name = "config.yaml" if stage == "fit" else f"config_{TrainerFn(stage).value}.yaml"
        self.parser.save(self.config, folder / name, skip_none=False, overwrite=True, multifile=False)
        if trainer.logger is not None:
            trainer.logger.log_hyperparams({"config": self.config.as_dict()})


class RefSAMCLI(LightningCLI):
    """LightningCLI with RefSAM's parts by short name, two checkpoint callbacks and the J&F evaluation."""

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """Makes a parser with one-line errors."""
        parser = _Parser(**kwargs)
        parser.add_argument("-c", "--config", action=ActionConfigFile, help="YAML file; several are merged in order")
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Adds the callbacks every run has, options of evaluation, and the defaults of RefSAM's parts."""
        parser.add_argument(
            "--submission",
            type=Path | None,
            default=None,
            help="zip to write for the server of the data set, with `predict`, or with `test` after the scores",
        )
        parser.add_argument(
            "--protocol",
            type=str | None,
            default=None,
            help="protocol to score by, with `test` and `validate`; None for the one that papers report",
        )
        parser.add_lightning_class_args(EvaluationCallback, "evaluation")
        parser.add_lightning_class_args(ModelCheckpoint, "best_checkpoint")
        parser.add_lightning_class_args(ModelCheckpoint, "last_checkpoint")
        parser.set_defaults(
            {
                "best_checkpoint.filename": "best",
                "best_checkpoint.monitor": "val/jf",
                "best_checkpoint.mode": "max",
                "best_checkpoint.auto_insert_metric_name": False,
                "last_checkpoint.filename": "last",
                "last_checkpoint.every_n_epochs": 1,
                "last_checkpoint.enable_version_counter": False,
                "model.tuner": "adapter",
                "model.text_tuner": "frozen",
                "model.cross_modal": "CrossModalMLP",
                "model.sparse_prompt": "word_tokens",
                "model.dense_prompt": "hierarchical_dense_attention",
                "model.mask_decoder": "refsam_zoo.model.mask_decoder.MaskDecoder",
                "model.tracker": "track_mlp",
                "model.loss": "MaskLoss",
                "model.alignment": "AlignmentLoss",
            }
        )

    def _parse_ckpt_path(self) -> None:
        """Leaves the configuration alone: a checkpoint's hyper-parameters never override files and flags."""

    def before_instantiate_classes(self) -> None:
        """Looks at the checkpoint and the run folder before anything is loaded or computed."""
        checkpoint = self._get(self.config, "ckpt_path")
        if checkpoint is not None and checkpoint not in ("best", "last", "hpc", "registry"):
            read_checkpoint(Path(checkpoint))
        folder = Path(self._get(self.config, "trainer")["default_root_dir"])
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: the run folder cannot be made: {error.strerror}") from error
        if not os.access(folder, os.W_OK):
            raise InputError(f"{folder}: the run folder cannot be written; give another --trainer.default_root_dir")

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Fills in what depends on the machine and on the run folder."""
        options = self._get(self.config_init, "trainer")
        folder = Path(options["default_root_dir"])
        for name in ("best_checkpoint", "last_checkpoint"):
            self._get(self.config_init, name).dirpath = str(folder / "checkpoints")
        if self.subcommand == "fit" and not options["fast_dev_run"]:
            _refuse_earlier_run(folder, self._get(self.config_init, "ckpt_path"))
        if options["logger"] in (None, True):
            kwargs["logger"] = CSVLogger(folder, name="", version="") if self.subcommand == "fit" else False
        if options["precision"] is None:
            kwargs["precision"] = "bf16-mixed" if _has_bfloat16() else "32-true"
        trainer = super().instantiate_trainer(**kwargs)
        trainer.callbacks += self._evaluation_callbacks(folder)  # type: ignore[attr-defined]
        if trainer.logger is not None and self.subcommand == "fit":
            trainer.callbacks.append(LearningRateMonitor("step"))  # type: ignore[attr-defined]
        return trainer

    def _evaluation_callbacks(self, folder: Path) -> list[Callback]:
        """What `predict`, `test` and `validate` have besides the scores of every expression."""
        chosen = self._get(self.config_init, "protocol")
        for option, commands in (("submission", ("predict", "test")), ("protocol", ("validate", "test"))):
            if self._get(self.config_init, option) is not None and self.subcommand not in commands:
                raise InputError(f"--{option} is for {' and '.join(commands)}, not for {self.subcommand}")
        # What a submission needs is looked at before a test, although it is written after it.
        writers = self._submission_writers(folder)
        if self.subcommand == "predict":
            return writers or [MaskWriter()]
        if self.subcommand == "fit":
            return []
        protocol = chosen or self._own_protocol()
        if protocol is None or (chosen is None and isinstance(get_protocol(protocol), ExpressionProtocol)):
            return []  # the evaluation of every run has its scores
        callback = ProtocolCallback(protocol, folder)
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

    def _submission_writers(self, folder: Path) -> list[Callback]:
        submission = self._get(self.config_init, "submission")
        if submission is None:
            return []
        require_empty(folder / "masks")
        return [MaskWriter(), SubmissionWriter(submission, self._own_protocol() or "none")]

    def before_predict(self) -> None:
        """Keeps no predictions: those of a whole data set do not fit into memory."""
        self.config_init["predict"]["return_predictions"] = False

    def after_test(self) -> None:
        """Predicts the split that the server asks about, where a submission is wanted."""
        writers = self._submission_writers(Path(self.trainer.default_root_dir))
        if writers:
            self.trainer.callbacks += writers  # type: ignore[attr-defined]
            self.trainer.predict(self.model, datamodule=self.datamodule, return_predictions=False)


def _has_bfloat16() -> bool:
    """Whether bfloat16 is computed by the hardware: a recent GPU, or a CPU with AMX."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_amx_tile_supported()


def _refuse_earlier_run(folder: Path, checkpoint: str | None) -> None:
    earlier = folder / "checkpoints"
    if checkpoint is None and earlier.is_dir() and any(earlier.iterdir()):
        raise InputError(
            f"{folder} holds an earlier run; give another --trainer.default_root_dir, or continue it with "
            f"--ckpt_path {earlier / 'last.ckpt'}"
        )


def run_trainer(arguments: list[str]) -> None:
    """Runs one of LightningCLI's commands.

    Args:
        arguments: The command and its options.

    Raises:
        InputError: Something the user gave is wrong.
    """
    try:
        _run(arguments)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise InputError(f"{error.filename or 'the run folder'}: cannot be written: {error.strerror}") from error


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)


def _run(arguments: list[str]) -> None:
    resumed = any(argument.startswith("--ckpt_path") for argument in arguments)
    with warnings.catch_warnings(), weights_follow() if resumed else nullcontext():
        # a program's own words are no misuse of `args`
        warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
        RefSAMCLI(
            ReferringSegmentation,
            LightningDataModule,
            subclass_mode_data=True,
            save_config_callback=_SaveConfig,
            seed_everything_default=0,
            trainer_defaults={"default_root_dir": "runs/default", "use_distributed_sampler": False, "logger": True},
            args=_spell_out_timm(arguments),
        )


def _spell_out_timm(arguments: list[str]) -> list[str]:
    """`--model.image_encoder timm/<name>` is short for the entry `timm` and its option `backbone`."""
    option, spelt = "--model.image_encoder", list[str]()
    for argument in arguments:
        if argument.startswith("timm/") and spelt and spelt[-1] == option:
            argument = f"{spelt.pop()}={argument}"
        if argument.startswith(f"{option}=timm/"):
            spelt += [f"{option}=timm", argument.replace("=timm/", ".backbone=", 1)]
        else:
            spelt.append(argument)
    return spelt
