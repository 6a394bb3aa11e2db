"""Parts of a RefSAM model's weights: loading some components and leaving the others, merging LoRA."""

from __future__ import annotations

from torch import nn

from refsam_zoo.weights.files import StateDict, check_fit

COMPONENTS = (
    "image_encoder.vit.blocks.",
    "image_encoder.",
    "text_encoder.",
    "cross_modal.",
    "sparse_prompt.",
    "dense_prompt.",
    "prompt_encoder.",
    "mask_decoder.",
    "tracker.",
)
"""What a file may hold without the rest: beginnings of names in `RefSAM`, the first that fits counts."""


def load_components(model: nn.Module, state_dict: StateDict, what: str) -> None:
    """Loads the components that a state dict holds, each of them whole, and leaves the others as they are.

    Args:
        model: A `RefSAM`.
        state_dict: Names of one or more components with the model's names.
        what: Where the weights come from, for the message.

    Raises:
        InputError: Unknown, missing or differently shaped names. The model is unchanged.
    """
    own = model.state_dict()
    # of tied weights (T5's two names of its embedding) a file may hold one
    given = {own[name].data_ptr() for name in state_dict if name in own}
    wanted = {
        name: tensor
        for name, tensor in in_held_components(own, state_dict).items()
        if name in state_dict or tensor.data_ptr() not in given
    }
    check_fit(wanted, state_dict, f"{what} does not fit this {type(model).__name__}")
    model.load_state_dict(state_dict, strict=False)


def in_held_components(own: StateDict, state_dict: StateDict) -> StateDict:
    """Picks from a model's own tensors those of the components of which a state dict holds anything."""
    held = {_component(name) for name in state_dict}
    return {name: tensor for name, tensor in own.items() if _component(name) in held}


def merge_lora(state_dict: StateDict) -> StateDict:
    """Folds LoRA into the layers it adapts: W becomes W + B A, and A and B are dropped.

    Only for LoRA without scaling (alpha equal to rank), as in the released RefSAM code and by default here.

    Args:
        state_dict: Our names, with `<layer>.base_layer`, `<layer>.lora_A.default` and `<layer>.lora_B.default`.

    Returns:
        The names of the same model without LoRA.
    """
    merged = {}
    for name, tensor in state_dict.items():
        layer, _, parameter = name.rpartition(".base_layer.")
        if layer and parameter == "weight":
            low, high = (state_dict[f"{layer}.lora_{half}.default.weight"] for half in "AB")
            tensor = tensor + high @ low
        if ".lora_" not in name:
            merged[f"{layer}.{parameter}" if layer else name] = tensor
    return merged


def _component(name: str) -> str:
    return next((component for component in COMPONENTS if name.startswith(component)), name)
