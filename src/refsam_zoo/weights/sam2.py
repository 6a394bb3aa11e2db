"""SAM 2's weights files, Meta's and the hub's: which tensors belong to which part, under the names used here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from refsam_zoo.errors import InputError
from refsam_zoo.weights.files import StateDict, load_state_dict

Part = Literal["image_encoder", "prompt_encoder", "mask_decoder", "memory"]
Rules = Sequence[tuple[str, str]]

_META: dict[Part, tuple[str, Rules]] = {
    "image_encoder": (
        "image_encoder.",
        (
            (r"^trunk\.", "backbone."),
            (r"patch_embed\.proj\.", "patch_embed.projection."),
            (r"\.norm(\d)\.", r".layer_norm\1."),
            (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
            (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
            (r"^(neck\.convs\.\d)\.conv\.", r"\1."),
        ),
    ),
    "prompt_encoder": ("sam_prompt_encoder.", ()),
    "mask_decoder": (
        "sam_mask_decoder.",
        ((r"\.mlp\.layers\.0\.", ".mlp.lin1."), (r"\.mlp\.layers\.1\.", ".mlp.lin2.")),
    ),
    "memory": (
        "",
        (
            (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
            (r"^no_mem_embed$", "no_memory_embedding"),
            (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
            (r"^no_obj_ptr$", "no_object_pointer"),
            (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
            (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
            (r"^obj_ptr_proj\.layers\.0\.", "object_pointer_proj.proj_in."),
            (r"^obj_ptr_proj\.layers\.1\.", "object_pointer_proj.layers.0."),
            (r"^obj_ptr_proj\.layers\.2\.", "object_pointer_proj.proj_out."),
            (r"^(memory_attention\..*)\.out_proj\.", r"\1.o_proj."),
            (r"^(memory_attention\.(?:layers\.\d+\.)?)norm", r"\1layer_norm"),
            (r"^memory_encoder\.mask_downsampler\.encoder\.12\.", "memory_encoder.mask_downsampler.final_conv."),
            *(
                (
                    rf"^memory_encoder\.mask_downsampler\.encoder\.{3 * layer + offset}\.",
                    f"memory_encoder.mask_downsampler.layers.{layer}.{name}.",
                )
                for layer in range(4)
                for offset, name in enumerate(("conv", "layer_norm"))
            ),
            (r"^memory_encoder\.pix_feat_proj\.", "memory_encoder.feature_projection."),
            (r"^memory_encoder\.out_proj\.", "memory_encoder.projection."),
            (r"^memory_encoder\.fuser\.", "memory_encoder.memory_fuser."),
            (r"\.dwconv\.", ".depthwise_conv."),
            (r"(memory_fuser\.layers\.\d+)\.norm\.", r"\1.layer_norm."),
            (r"\.pwconv(\d)\.", r".pointwise_conv\1."),
            (r"\.gamma$", ".scale"),
        ),
    ),
}
"""Part -> beginning of its names in Meta's files, and what its names become; the memory has all other names."""

_HEADS = r"(output_hypernetworks_mlps\.\d|iou_prediction_head|pred_obj_score_head)"
_HUB: dict[Part, tuple[str, Rules]] = {
    "image_encoder": ("vision_encoder.", ()),
    "prompt_encoder": (
        "prompt_encoder.",
        (
            (r"^shared_embedding\.positional_embedding$", "pe_layer.positional_encoding_gaussian_matrix"),
            (r"^mask_embed\.conv1\.", "mask_downscaling.0."),
            (r"^mask_embed\.layer_norm1\.", "mask_downscaling.1."),
            (r"^mask_embed\.conv2\.", "mask_downscaling.3."),
            (r"^mask_embed\.layer_norm2\.", "mask_downscaling.4."),
            (r"^mask_embed\.conv3\.", "mask_downscaling.6."),
        ),
    ),
    "mask_decoder": (
        "mask_decoder.",
        (
            (r"^upscale_conv1\.", "output_upscaling.0."),
            (r"^upscale_layer_norm\.", "output_upscaling.1."),
            (r"^upscale_conv2\.", "output_upscaling.3."),
            (rf"^{_HEADS}\.layers\.0\.", r"\1.layers.1."),
            (rf"^{_HEADS}\.proj_in\.", r"\1.layers.0."),
            (rf"^{_HEADS}\.proj_out\.", r"\1.layers.2."),
            (r"\.mlp\.proj_in\.", ".mlp.lin1."),
            (r"\.mlp\.proj_out\.", ".mlp.lin2."),
            (r"\.o_proj\.", ".out_proj."),
            (r"\.layer_norm_final_attn\.", ".norm_final_attn."),
            (r"\.layer_norm(\d)\.", r".norm\1."),
        ),
    ),
    "memory": ("", ()),
}
"""Part -> the same of the hub's files."""


def read_sam2(path: str | Path, part: Part) -> StateDict:
    """Reads one part of a SAM 2.

    Args:
        path: Meta's `sam2_hiera_*.pt` or `sam2.1_hiera_*.pt`, or `model.safetensors` of the hub or its folder.
        part: Image encoder and memory get the names of transformers' `Sam2VideoModel`, prompt encoder and mask decoder
            those of segment_anything.

    Raises:
        InputError: No such file, no weights, or those of another model.
    """
    path = Path(path)
    state = load_state_dict(path / "model.safetensors" if path.is_dir() else path)
    if any(name.startswith("image_encoder.trunk.") for name in state):
        return part_of(state, part, _META)
    if any(name.startswith("vision_encoder.") for name in state):
        return part_of(_in_four_points(state), part, _HUB)
    looks = "; this looks like SAM" if any(name.startswith("image_encoder.blocks.") for name in state) else ""
    if any(name.startswith("blocks.") for name in state):
        looks = "; a file of timm goes to --model.image_encoder timm/sam2_hiera_tiny or the like"
    raise InputError(f"{path}: no weights of SAM 2, of whose files names begin with 'image_encoder.trunk.'{looks}")


def part_of(state: StateDict, part: Part, layout: dict[Part, tuple[str, Rules]]) -> StateDict:
    """Picks the tensors of a part and renames them."""
    prefix, rules = layout[part]
    others = tuple(beginning for beginning, _ in layout.values() if beginning)
    chosen = [name for name in state if (name.startswith(prefix) if prefix else not name.startswith(others))]
    return {_renamed(name.removeprefix(prefix), rules): state[name] for name in chosen}


def part_of_meta(state: StateDict, part: Part) -> StateDict:
    """Picks the tensors of a part of a model under Meta's names; see `read_sam2` for what becomes of them."""
    return part_of(state, part, _META)


def _renamed(name: str, rules: Rules) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def _in_four_points(state: StateDict) -> StateDict:
    """Takes apart the four point embeddings that the hub keeps in one tensor; its positions stand there twice."""
    state = dict(state)
    points = state.pop("prompt_encoder.point_embed.weight", None)
    if points is not None:
        state |= {f"prompt_encoder.point_embeddings.{kind}.weight": row[None] for kind, row in enumerate(points)}
    positions = state.pop("shared_image_embedding.positional_embedding", None)
    if positions is not None:
        state.setdefault("prompt_encoder.shared_embedding.positional_embedding", positions)
    return state
