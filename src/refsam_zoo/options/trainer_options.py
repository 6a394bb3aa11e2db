"""The options of `fit`, `plan`, `validate`, `test` and `predict`, and what is chosen for them, without Lightning."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from refsam_zoo.options.source_options import Place, read_source

_TRAINER = "pytorch/trainer/trainer.py"
_CHECKPOINTS = Place("lightning", "pytorch/callbacks/model_checkpoint.py", "ModelCheckpoint")

GROUPS = {
    "model": [
        Place("refsam_zoo", "training/module.py", "ReferringSegmentation"),
        Place("refsam_zoo", "model/composition.py", "compose"),
    ],
    "model.learning_rates": [Place("refsam_zoo", "training/optimizer.py", "LearningRates")],
    "model.schedule": [Place("refsam_zoo", "training/optimizer.py", "Schedule")],
    "model.feature_cache": [Place("refsam_zoo", "caching/features.py", "CacheOptions")],
    "samwise": [Place("refsam_zoo", "training/samwise_module.py", "SamwiseTraining")],
    "trainer": [Place("lightning", _TRAINER, "Trainer")],
    "evaluation": [Place("refsam_zoo", "callbacks/scores.py", "EvaluationCallback")],
    "best_checkpoint": [_CHECKPOINTS],
    "last_checkpoint": [_CHECKPOINTS],
}
"""Beginning of an option's name -> whose parameters or fields the following parts are."""

MACHINES = Place("refsam_zoo", "training/plan.py", "Machines")
"""Whose fields are options of `plan`."""


class OwnOption(NamedTuple):
    """An option that RefSAM adds to Lightning's.

    Attributes:
        kind: Type of its value.
        default: Value if it is not given.
        text: What it is for.
    """

    kind: Any
    default: Any
    text: str


OWN = {
    "submission": OwnOption(
        Path | None, None,
        "zip to write for the server of the data set, with `predict`, or with `test` after the scores",
    ),
    "protocol": OwnOption(
        str | None, None,
        "protocol to score by, with `test` and `validate`; None for the one that papers report",
    ),
    "compile": OwnOption(
        bool, False,
        "compile the parts that take the time: the first steps take minutes, later ones less time",
    ),
}  # fmt: skip
"""Options of every command beside those of the groups."""

CONFIG_TEXT = "YAML file; several are merged in order"
SYSTEM_TEXT = "a system of the zoo by name, or a class by import path; --system.help NAME lists its options"

TRAINER_DEFAULTS = {"default_root_dir": "runs/default", "use_distributed_sampler": False, "logger": True}
MODEL_DEFAULTS = {
    "model.tuner": "adapter",
    "model.text_tuner": "frozen",
    "model.cross_modal": "CrossModalMLP",
    "model.sparse_prompt": "word_tokens",
    "model.dense_prompt": "hierarchical_dense_attention",
    "model.mask_decoder": "sam_decoder",
    "model.tracker": "track_mlp",
    "model.loss": "MaskLoss",
    "model.alignment": "AlignmentLoss",
}
SAMWISE_DEFAULTS = {"samwise.loss": "MaskLoss"}
CHECKPOINT_DEFAULTS = {
    "best_checkpoint.filename": "best",
    "best_checkpoint.monitor": "val/jf",
    "best_checkpoint.mode": "max",
    "best_checkpoint.auto_insert_metric_name": False,
    "best_checkpoint.enable_version_counter": False,
    "last_checkpoint.filename": "last",
    "last_checkpoint.enable_version_counter": False,
}
SEED = 0


def nested_options(first: str) -> list[str]:
    """Second parts of the names of options that begin with `trainer`, `model` and so on."""
    return [option.name for place in GROUPS[first] for option in read_source(place).options]


def command_place(command: str) -> Place:
    """Whose documentation says what a command does, and whose parameters it takes."""
    if command == "plan":
        return Place("refsam_zoo", "training/plan.py", "print_plan")
    return Place("lightning", _TRAINER, f"Trainer.{command}")
