"""SAMWISE's published files: which tensors belong where, under the names used here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.weights.files import StateDict
from refsam_zoo.weights.sam2 import part_of_meta

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
PRESENCE = ("obj_score_token.", "pred_obj_score_head.", "no_object_pointer")
"""How the names of the object score's weights begin, in the mask decoder and the memory."""
ONLY_VIDEOS = re.compile(
    r"\.(obj_score_token|pred_obj_score_head|no_object_pointer|hsa|spatial_pos_embed|norm_pre_HSA)\b"
)
"""Names of the weights that the model of single pictures lacks."""
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


def roberta_of(state: StateDict) -> StateDict:
    """Picks the encoder out of a RoBERTa of the hub, without the head for masked words and the pooler."""
    names = {name: name.removeprefix("roberta.") for name in state}
    unread = ("lm_head.", "pooler.", "embeddings.position_ids")
    return {name: state[given] for given, name in names.items() if not name.startswith(unread)}
