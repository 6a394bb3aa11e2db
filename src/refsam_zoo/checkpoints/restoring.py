"""From a run's checkpoint back to its model, without the configuration file."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import torch

from refsam_zoo.checkpoints.loading import UNREADABLE, load_into, select_prefix, weights_follow
from refsam_zoo.errors import InputError
from refsam_zoo.model.composition import compose
from refsam_zoo.model.refsam import RefSAM


def load_model(checkpoint: Path | str) -> RefSAM:
    """Rebuilds the model that a run has saved.

    The composition comes from the hyper-parameters in the file and all weights from the file too: weights files that
    the run started from need not be there any more.

    Args:
        checkpoint: A `.ckpt` file written by `refsam-zoo fit`.

    Returns:
        The model in evaluation mode, on the CPU.

    Raises:
        InputError: No such file, not a checkpoint of refsam-zoo, parts that this release does not have, or weights
            that do not fit the composition.
    """
    content = read_checkpoint(Path(checkpoint))
    try:
        model = _composed(content["hyper_parameters"])
    except InputError as error:
        raise InputError(f"{checkpoint}: this release cannot build its model: {error}") from error
    load_into(model, select_prefix(content["state_dict"], "model."), str(checkpoint))
    return model.eval()


def read_checkpoint(checkpoint: Path) -> dict[str, Any]:
    """Reads a file written by `refsam-zoo fit`, without running code from it.

    Raises:
        InputError: No such file, or not such a checkpoint.
    """
    if not checkpoint.is_file():
        raise InputError(f"{checkpoint}: no such checkpoint; refsam-zoo fit writes them to <run>/checkpoints/")
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        reason = str(error).strip().partition("\n")[0] or "it ends too early"
        if checkpoint.stat().st_size == 0:
            reason = "the file is empty"
        raise InputError(f"{checkpoint}: not a readable checkpoint: {reason}") from error
    if not isinstance(content, dict) or "hyper_parameters" not in content or "state_dict" not in content:
        raise InputError(f"{checkpoint}: not a checkpoint written by refsam-zoo fit")
    return content


def _composed(hyper_parameters: dict[str, Any]) -> RefSAM:
    from refsam_zoo.parser import OneLineErrors

    parts = set(inspect.signature(compose).parameters) - {"decoder_checkpoint", "weights"}
    options = {name: _without_weights_file(value) for name, value in hyper_parameters.items() if name in parts}
    parser = OneLineErrors()
    parser.add_function_arguments(compose)
    with weights_follow():
        return compose(**parser.instantiate(parser.parse_object(options)).as_dict())


def _without_weights_file(part: dict[str, Any]) -> dict[str, Any]:
    """Blanks the option `checkpoint`: the weights come from the run's own file."""
    init_args = part.get("init_args", {})
    blank = {"checkpoint": None} if "checkpoint" in init_args else {}
    return {**part, "init_args": {**init_args, **blank}}
