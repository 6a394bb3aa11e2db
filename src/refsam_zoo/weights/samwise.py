"""SAMWISE's published files: which tensors belong where, under the names used here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from refsam_zoo.errors import InputError
from refsam_zoo.weights.files import StateDict, check_fit, load_into
from refsam_zoo.weights.hub_folders import read_weights
from refsam_zoo.weights.sam2 import part_of_meta, read_sam2

if TYPE_CHECKING:
    from refsam_zoo.model.samwise import Samwise

_TEXT = "text_encoder.model.encoder.sentence_encoder."
_SAM = "sam."
_UNREAD = re.compile(
    r"text_encoder\.(_float_tensor|model\.encoder\.(lm_head\..*|sentence_encoder\.version))"
    r"|conditional_memory_encoder\.transformerBlock\.norm2\..*"
    r"|.*\.(total_ops|total_params)"
)
"""What no frame depends on: of fairseq's RoBERTa the head, a layer norm that nothing reads, a profiler's counts."""
_TEXT_RULES: Sequence[tuple[str, str]] = (
    (r"^embed_tokens\.", "embeddings.word_embeddings."),
    (r"^embed_positions\.", "embeddings.position_embeddings."),
    (r"^layernorm_embedding\.", "embeddings.LayerNorm."),
    (r"^layers\.", "encoder.layer."),
    (r"\.self_attn\.q_proj\.", ".attention.self.query."),
    (r"\.self_attn\.k_proj\.", ".attention.self.key."),
    (r"\.self_attn\.v_proj\.", ".attention.self.value."),
    (r"\.self_attn\.out_proj\.", ".attention.output.dense."),
    (r"\.self_attn_layer_norm\.", ".attention.output.LayerNorm."),
    (r"\.fc1\.", ".intermediate.dense."),
    (r"\.fc2\.", ".output.dense."),
    (r"\.final_layer_norm\.", ".output.LayerNorm."),
)
_PRESENCE = ("obj_score_token.", "pred_obj_score_head.", "no_object_pointer")
_ONLY_VIDEOS = re.compile(
    r"\.(obj_score_token|pred_obj_score_head|no_object_pointer|hsa|spatial_pos_embed|norm_pre_HSA)\b"
)
_OTHER_RULES: Sequence[tuple[str, str]] = (
    (r"^conditional_memory_encoder\.transformerBlock\.norm3\.", "conditional_memory_encoder.transformer_block.norm2."),
    (r"^conditional_memory_encoder\.transformerBlock\.", "conditional_memory_encoder.transformer_block."),
)


def is_samwise(state: StateDict) -> bool:
    """Whether these are the weights of a SAMWISE, published or with our names."""
    return any(name.startswith("cmt_adapters.") for name in state)


def in_our_names(state: StateDict, path: Path) -> StateDict:
    """Gives the weights of a SAMWISE, published or with our names, under our names.

    Args:
        state: What was read.
        path: Where from, for the message.

    Raises:
        InputError: They are of something else.
    """
    if not is_samwise(state):
        raise InputError(f"{path}: no weights of SAMWISE, of which some names begin with 'cmt_adapters.'")
    return of_samwise(state) if any(name.startswith(_SAM) for name in state) else state


def of_samwise(state: StateDict) -> StateDict:
    """Renames a published SAMWISE.

    Args:
        state: Under the names of the file.

    Returns:
        The weights under the names of `model.samwise.Samwise`; what is unknown keeps its name.
    """
    state = {name: tensor for name, tensor in state.items() if not _UNREAD.fullmatch(name)}
    text = {name.removeprefix(_TEXT): tensor for name, tensor in state.items() if name.startswith(_TEXT)}
    sam = {name.removeprefix(_SAM): tensor for name, tensor in state.items() if name.startswith(_SAM)}
    others = {name: tensor for name, tensor in state.items() if not name.startswith((_TEXT, _SAM))}
    ours = {f"text_encoder.{_renamed(name, _TEXT_RULES)}": tensor for name, tensor in text.items()}
    if "embed_tokens.weight" in text:  # fairseq tells no two sentences apart, and adds nothing for it
        ours["text_encoder.embeddings.token_type_embeddings.weight"] = text["embed_tokens.weight"].new_zeros(
            1, text["embed_tokens.weight"].shape[1]
        )
    ours |= {f"image_encoder.vision.{name}": tensor for name, tensor in part_of_meta(sam, "image_encoder").items()}
    ours |= {f"mask_decoder.{name}": tensor for name, tensor in part_of_meta(sam, "mask_decoder").items()}
    ours |= {f"memory.{name}": tensor for name, tensor in part_of_meta(sam, "memory").items()}
    for name, tensor in part_of_meta(sam, "prompt_encoder").items():
        ours[name if name.startswith("project_text.") else f"prompt_encoder.{name}"] = tensor
    return ours | {_renamed(name, _OTHER_RULES): tensor for name, tensor in others.items()}


def _renamed(name: str, rules: Sequence[tuple[str, str]]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def load_parts(model: Samwise, sam2: str | Path | None, roberta: Path) -> None:
    """Loads what SAMWISE does not train: SAM 2.0 and RoBERTa.

    Args:
        model: Takes the weights.
        sam2: A file of SAM 2.0, Meta's or the hub's; None leaves random weights.
        roberta: A folder in the hub's layout.

    Raises:
        InputError: A file is missing, of something else, or does not fit.
    """
    load_into(model.text_encoder, roberta_of(read_weights(roberta)), f"{roberta} (RoBERTa)")
    if sam2 is None:
        return
    load_into(model.image_encoder.vision, read_sam2(sam2, "image_encoder"), f"{sam2} (image encoder)")
    load_into(model.prompt_encoder, read_sam2(sam2, "prompt_encoder"), f"{sam2} (prompt encoder)")
    for part, module in (("mask_decoder", model.mask_decoder), ("memory", model.memory)):
        state = read_sam2(sam2, part)  # type: ignore[arg-type]
        if not model.size.presence:
            state = {name: tensor for name, tensor in state.items() if not name.startswith(_PRESENCE)}
        load_into(module, state, f"{sam2} ({part.replace('_', ' ')} of SAM 2.0)")


def load_beginning(model: Samwise, state: StateDict, path: str | Path) -> None:
    """Loads a SAMWISE to train on from; one of single pictures lacks what only videos train.

    Args:
        model: Takes the weights; what the file lacks stays.
        state: Under our names.
        path: Where from, for the message.

    Raises:
        InputError: It does not fit.
    """
    own = model.state_dict()
    if "mask_decoder.obj_score_token.weight" not in state:
        state = {name: tensor for name, tensor in own.items() if _ONLY_VIDEOS.search(name)} | state
    check_fit(own, state, f"{path} does not fit SAMWISE")
    model.load_state_dict(state)


def roberta_of(state: StateDict) -> StateDict:
    """Picks the encoder out of a RoBERTa of the hub, without the head for masked words and the pooler."""
    names = {name: name.removeprefix("roberta.") for name in state}
    unread = ("lm_head.", "pooler.", "embeddings.position_ids")
    return {name: state[given] for given, name in names.items() if not name.startswith(unread)}
