"""Which names and shapes a converted file must have, told from its own sizes: nothing may be missing or left over."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from refsam_zoo.model.cross_modal import CrossModalMLP
from refsam_zoo.model.image_encoders.sam import SamImageEncoder
from refsam_zoo.model.mask_decoders import MaskDecoder
from refsam_zoo.model.mask_decoders.sam import build_prompt_encoder
from refsam_zoo.model.prompts.dense import dense_attention
from refsam_zoo.model.prompts.sparse import word_attention
from refsam_zoo.model.trackers.query_interaction import query_interaction
from refsam_zoo.model.tuners.adapter import adapter
from refsam_zoo.model.tuners.lora import lora
from refsam_zoo.weights.components import in_held_components
from refsam_zoo.weights.files import StateDict, check_fit

_BLOCKS = "vit.blocks."
_POSITIONS = ("pos_embed", "rel_pos_h", "rel_pos_w")


def check_whole(state_dict: StateDict, what: str) -> None:
    """Makes sure that every component is one that the released code can have made, with all of its tensors.

    The text encoder is left out: it may be any, and the released code never saves it apart from a whole model.

    Args:
        state_dict: Names of `RefSAM`.
        what: Where the weights come from, for the message.

    Raises:
        InputError: Missing, unknown or differently shaped names.
    """
    given = {name: tensor for name, tensor in state_dict.items() if not name.startswith("text_encoder.")}
    own: StateDict = {}
    with torch.device("meta"):  # shapes without memory
        for prefix, build in _PARTS.items():
            part = {name.removeprefix(prefix): t for name, t in given.items() if name.startswith(prefix)}
            if part:
                own |= {prefix + name: tensor for name, tensor in _with_positions(build(part), part).items()}
    check_fit(in_held_components(own, given), given, f"{what} is not what the released RefSAM code saves")


def _with_positions(module: nn.Module, part: StateDict) -> StateDict:
    """The module's tensors; positions have the length that they have in the file, which depends on the image size."""
    return {
        name: part[name] if name.endswith(_POSITIONS) and name in part else tensor
        for name, tensor in module.state_dict().items()
    }


def _size(part: StateDict, name: str, axis: int, otherwise: int) -> int:
    return part[name].shape[axis] if name in part and part[name].ndim > axis else otherwise


def _numbers(names: Iterable[str], prefix: str) -> list[int]:
    """The layers' numbers in names such as `layers.0.weight`, ascending."""
    parts = {name.removeprefix(prefix).split(".")[0] for name in names if name.startswith(prefix)}
    return sorted(int(part) for part in parts if part.isdecimal()) or [0]


def _cross_modal(part: StateDict) -> nn.Module:
    layers = _numbers(part, "layers.")
    dropout = 0.1 if layers[1:2] == [3] else 0.0  # it takes a number of its own
    mlp = CrossModalMLP(len(layers) - 1, dropout, _size(part, f"layers.{layers[-1]}.weight", 0, 256))
    mlp.connect(_size(part, "layers.0.weight", 1, 1024))
    return mlp


def _image_encoder(part: StateDict) -> nn.Module:
    first = f"{_BLOCKS}0."
    width = _size(part, f"{first}norm1.weight", 0, 768)
    sizes = {
        "width": width,
        "depth": 1 + _numbers(part, _BLOCKS)[-1],
        "heads": width // _size(part, f"{first}attn.rel_pos_h", 1, 64),
        "global_blocks": (),
    }
    encoder = type("image_encoder", (SamImageEncoder,), sizes)()
    adapted = [name for name in part if ".adapter." in name]
    if adapted:
        adapter(first_block=_numbers(adapted, _BLOCKS)[0]).apply(encoder)
    ranks = [tensor.shape[0] for name, tensor in part.items() if ".lora_A." in name]
    if ranks:
        lora(ranks[0]).apply(encoder)
    return encoder


def _mask_decoder(part: StateDict) -> nn.Module:
    mlp_width = _size(part, "transformer.layers.0.mlp.lin1.weight", 0, 2048)
    return MaskDecoder(mlp_width, _size(part, "iou_token.weight", 1, 256))


_PARTS: dict[str, Callable[[StateDict], nn.Module]] = {
    "image_encoder.": _image_encoder,
    "cross_modal.": _cross_modal,
    "sparse_prompt.": lambda part: word_attention(_size(part, "projection.weight", 0, 256)),
    "dense_prompt.": lambda part: dense_attention(_size(part, "attention.projection.weight", 0, 256)),
    "prompt_encoder.": lambda part: build_prompt_encoder(1024, 64, _size(part, "no_mask_embed.weight", 1, 256)),
    "mask_decoder.": _mask_decoder,
    "tracker.": lambda part: query_interaction(_size(part, "norm1.weight", 0, 256)),
}
