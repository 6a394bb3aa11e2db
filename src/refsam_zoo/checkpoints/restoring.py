"""From a run's checkpoint back to its model, without the configuration file."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from refsam_zoo.errors import InputError
from refsam_zoo.former_names import with_present_names
from refsam_zoo.model.composition import compose
from refsam_zoo.model.pretrained_folder import WEIGHTS, is_pretrained_folder, read_composition
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.weights.files import load_into, load_state_dict, select_prefix, weights_follow
from refsam_zoo.weights.reading import read_content


def load_model(checkpoint: Path | str) -> RefSAM:
    """Rebuilds the model that a run or `save_pretrained` has saved.

    The composition and all weights come from there: weights files that the run started from need not be there any more.

    Args:
        checkpoint: A `.ckpt` file written by `refsam-zoo fit`, or a folder written by `refsam-zoo export`.

    Returns:
        The model in evaluation mode, on the CPU.

    Raises:
        InputError: No such file, not a checkpoint of refsam-zoo, parts that this release does not have, or weights
            that do not fit the composition.
    """
    checkpoint = Path(checkpoint)
    if is_pretrained_folder(checkpoint):
        composition, weights = read_composition(checkpoint), load_state_dict(checkpoint / WEIGHTS)
    else:
        content = read_checkpoint(checkpoint)
        composition, weights = content["hyper_parameters"], select_prefix(content["state_dict"], "model.")
    try:
        model = _composed(composition)
    except InputError as error:
        raise InputError(f"{checkpoint}: this release cannot build its model: {error}") from error
    load_into(model, weights, str(checkpoint))
    return model.eval()


def read_checkpoint(checkpoint: str | Path) -> dict[str, Any]:
    """Reads a file written by `refsam-zoo fit`, without running code from it.

    Raises:
        InputError: No such file, or not such a checkpoint.
    """
    checkpoint = Path(checkpoint)
    if not checkpoint.exists():
        raise InputError(f"{checkpoint}: no such checkpoint; refsam-zoo fit writes them to <run>/checkpoints/")
    content = read_content(checkpoint, "not a readable checkpoint")
    if not isinstance(content, dict) or "hyper_parameters" not in content or "state_dict" not in content:
        raise InputError(
            f"{checkpoint}: not a checkpoint written by refsam-zoo fit; an encoder's weights alone go to "
            "--model.image_encoder.checkpoint or the like"
        )
    return content


def require_steps_left(content: dict[str, Any], checkpoint: str | Path, max_steps: int, max_epochs: int | None) -> None:
    """Makes sure that resuming a run does anything.

    Args:
        content: What `read_checkpoint` gave.
        checkpoint: Where it comes from, for the message.
        max_steps: Optimiser steps after which training ends; -1 for no limit.
        max_epochs: Epochs after which it ends; -1 for no limit, None where Lightning chooses.

    Raises:
        InputError: The checkpoint is at the end already, or past it.
    """
    steps = content.get("global_step", 0)
    epochs = (
        content.get("loops", {}).get("fit_loop", {}).get("epoch_progress", {}).get("current", {}).get("processed", 0)
    )
    limits = (("max_steps", steps, max_steps), ("max_epochs", epochs, -1 if max_epochs is None else max_epochs))
    for name, done, limit in limits:
        if 0 <= limit <= done:
            raise InputError(
                f"{checkpoint} has {done} {name.removeprefix('max_')} behind it, so --trainer.{name} {limit} leaves "
                f"nothing to train; give more than {done}"
            )


def _composed(hyper_parameters: dict[str, Any]) -> RefSAM:
    from refsam_zoo.options.parser import OneLineErrors

    parts = set(inspect.signature(compose).parameters) - {"decoder_checkpoint", "weights"}
    unknown = sorted(parts - set(hyper_parameters))
    if unknown:
        raise InputError(
            f"it does not say how its {', '.join(unknown)} was made, of more than plain values; compose the model as "
            "the program did that trained it, with weights=<this file>"
        )
    given = with_present_names({name: value for name, value in hyper_parameters.items() if name in parts})
    options = {name: _without_weights_file(value) for name, value in given.items()}
    parser = OneLineErrors()
    parser.add_function_arguments(compose)
    with weights_follow():
        return compose(**parser.instantiate(parser.parse_object(options)).as_dict())


def _without_weights_file(part: dict[str, Any]) -> dict[str, Any]:
    """Blanks the option `checkpoint`: the weights come from the run's own file."""
    init_args = part.get("init_args", {})
    blank = {"checkpoint": None} if "checkpoint" in init_args else {}
    return {**part, "init_args": {**init_args, **blank}}
