"""Weights of the released RefSAM code (arXiv 2307.00997): its files and names to ours and back.

The released code saves one file per trained component, named `<component>_<text encoder>_<suffix>.pth`. Names within
such a file are relative to the component; in a whole model's state dict they carry the component's prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.weights.files import StateDict, enumerate_some, load_state_dict
from refsam_zoo.weights.samwise import is_samwise, of_samwise

COMPONENT_FILES = {
    "resizer_": "resizer.",
    "mask_decoder_": "sam.mask_decoder.",
    "dense_conv_": "dense_conv.",
    "sparse_fc": "sparse_fc.",
    "image_encoder_blocks_": "sam.image_encoder.blocks.",
    "track_net_": "temporal_aggregation_network.",
}
"""Beginning of an official file's name -> official prefix of what it holds."""

_TRACKER_LAYERS = ("self_attn", "linear1", "linear2", "linear_feat1", "linear_feat2", "norm1", "norm2", "norm_feat")
_PREFIXES = {
    "resizer.": "cross_modal.layers.",
    "dense_conv.": "dense_prompt.attention.projection.",
    "sparse_fc.": "sparse_prompt.projection.",
    **{f"temporal_aggregation_network.{layer}.": f"tracker.{layer}." for layer in _TRACKER_LAYERS},
    "sam.image_encoder.": "image_encoder.vit.",
    "sam.prompt_encoder.": "prompt_encoder.",
    "sam.mask_decoder.": "mask_decoder.",
    "text_encoder.": "text_encoder.model.",
}
_LAYERS = {
    ".Space_Adapter.D_fc1.": ".attn.adapter.down.",
    ".Space_Adapter.D_fc2.": ".attn.adapter.up.",
    ".MLP_Adapter.D_fc1.": ".mlp.adapter.down.",
    ".MLP_Adapter.D_fc2.": ".mlp.adapter.up.",
    ".proj.w.": ".proj.base_layer.",
    ".proj.w_a.": ".proj.lora_A.default.",
    ".proj.w_b.": ".proj.lora_B.default.",
}
_UNUSED = "text_encoder.pooler."
"""RoBERTa's pooler, which the released code carries along without using it."""


def from_official(state_dict: StateDict) -> StateDict:
    """Renames a whole official model, or any part of one with whole-model names.

    Args:
        state_dict: Official names: `resizer.0.weight`, `sam.mask_decoder.iou_token.weight`, ...

    Returns:
        The same tensors under the names of `RefSAM`.

    Raises:
        InputError: Names that RefSAM has no counterpart of, a few of them and their number.
    """
    used = {name: tensor for name, tensor in state_dict.items() if not name.startswith(_UNUSED)}
    return _rename(used, _PREFIXES, _LAYERS, "the released RefSAM code")


def to_official(state_dict: StateDict) -> StateDict:
    """Renames the other way round.

    Args:
        state_dict: Names of a `RefSAM` made of parts that the released code has.

    Returns:
        The same tensors under official whole-model names.

    Raises:
        InputError: Names that the released code has no counterpart of, for instance of Hierarchical Dense Attention.
    """
    return _rename(state_dict, _swapped(_PREFIXES), _swapped(_LAYERS), "RefSAM as released")


def read_official(paths: Sequence[Path]) -> StateDict:
    """Reads official component files and whole models.

    Args:
        paths: Files. A component's is recognised by the beginning of its name (`COMPONENT_FILES`), an image encoder's
            and a whole model's by what it holds.

    Returns:
        All their tensors under the names of `RefSAM`; of a SAMWISE, those of `Samwise`.

    Raises:
        InputError: A file is missing or no checkpoint, or holds names without a counterpart.
    """
    state: StateDict = {}
    for path in paths:
        content = _sam_of_evf_sam(load_state_dict(path), path)
        if is_samwise(content):
            return of_samwise(content)
        prefix = _official_prefix(path.name, content)
        try:
            state |= from_official({prefix + name: tensor for name, tensor in content.items()})
        except InputError as error:
            raise InputError(f"{path}: {error}; a component's file begins with {_alternatives()}") from error
    return state


def _sam_of_evf_sam(state: StateDict, path: Path) -> StateDict:
    """Gives the SAM in a file of EVF-SAM under the released code's names, and anything else as it is.

    Raises:
        InputError: A file of EVF-SAM over SAM 2, which the released code does not have.
    """
    if not any(name.startswith("mm_extractor.") for name in state):
        return state
    if any(name.startswith("visual_model.image_encoder.trunk.") for name in state):
        raise InputError(f"{path}: EVF-SAM over SAM 2; system evf_sam2 reads its folder as it is")
    part = {name: tensor for name, tensor in state.items() if name.startswith("visual_model.")}
    return {name.replace("visual_model.", "sam.", 1): tensor for name, tensor in part.items()}


def split_components(state_dict: StateDict) -> dict[str, StateDict]:
    """Splits an official whole model into its component files.

    Args:
        state_dict: Official whole-model names.

    Returns:
        Beginning of the file's name -> what it holds, with names relative to the component. What the released code
        never saves (text encoder, prompt encoder, the image encoder outside its blocks) is left out.
    """
    components = {}
    for beginning, prefix in COMPONENT_FILES.items():
        part = {name.removeprefix(prefix): t for name, t in state_dict.items() if name.startswith(prefix)}
        if part:
            components[beginning] = part
    return components


def _rename(state: StateDict, prefixes: Mapping[str, str], layers: Mapping[str, str], origin: str) -> StateDict:
    unknown = [name for name in state if not name.startswith(tuple(prefixes))]
    if unknown:
        raise InputError(enumerate_some(f"names unknown to {origin}", unknown))
    return {_renamed(name, prefixes, layers): tensor for name, tensor in state.items()}


def _renamed(name: str, prefixes: Mapping[str, str], layers: Mapping[str, str]) -> str:
    prefix = next(prefix for prefix in prefixes if name.startswith(prefix))
    name = prefixes[prefix] + name.removeprefix(prefix)
    for layer, replacement in layers.items():
        name = name.replace(layer, replacement)
    return name


def _swapped(table: Mapping[str, str]) -> dict[str, str]:
    return {value: key for key, value in table.items()}


def _official_prefix(file_name: str, content: Iterable[str]) -> str:
    for beginning, prefix in COMPONENT_FILES.items():
        if file_name.startswith(beginning):
            return prefix
    return "sam.image_encoder." if "patch_embed.proj.weight" in content else ""


def _alternatives() -> str:
    return ", ".join(f"'{beginning}'" for beginning in COMPONENT_FILES)
