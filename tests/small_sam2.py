"""A SAM 2 small enough for any test, for the entries that work with nothing else."""

from __future__ import annotations

from typing import Any

from torch import nn

from refsam_zoo.model.image_encoders.sam2 import sam2_hiera_tiny
from refsam_zoo.model.mask_decoders.sam2 import sam2_decoder


class SmallSam2(sam2_hiera_tiny):
    """At its whole depth, on few channels."""

    channels = 16
    embedding_width = 64


def with_what_it_needs(parts: dict[str, Any]) -> dict[str, Any]:
    """Adds a SAM 2 to options of `create_model` that name a part of it; others stay."""
    if not {"sam2_memory", "sam2_decoder"} & {part for part in parts.values() if isinstance(part, str)}:
        return parts
    decoder = sam2_decoder(mlp_width=64, width=SmallSam2.embedding_width)
    nn.init.constant_(decoder.pred_obj_score_head.layers[-1].bias, 5.0)  # so that there are masks to compare
    return {**parts, "image_encoder": SmallSam2(image_size=96), "mask_decoder": decoder}


def meta_name(part: str, name: str) -> str:
    """The name of a tensor in Meta's files, by rules of the test's own."""
    changes = {
        "image_encoder": {
            "backbone.": "trunk.", "projection": "proj", "layer_norm": "norm", "mlp.proj_in": "mlp.layers.0",
            "mlp.proj_out": "mlp.layers.1",
        },
        "mask_decoder": {"mlp.lin1": "mlp.layers.0", "mlp.lin2": "mlp.layers.1"},
        "prompt_encoder": {},
        "memory": {
            "memory_temporal_positional_encoding": "maskmem_tpos_enc", "no_memory_embedding": "no_mem_embed",
            "no_memory_positional_encoding": "no_mem_pos_enc", "no_object_pointer": "no_obj_ptr",
            "occlusion_spatial_embedding_parameter": "no_obj_embed_spatial",
            "temporal_positional_encoding_projection_layer": "obj_ptr_tpos_proj",
            "object_pointer_proj.layers.0": "obj_ptr_proj.layers.1", "object_pointer_proj.proj_in":
            "obj_ptr_proj.layers.0", "object_pointer_proj.proj_out": "obj_ptr_proj.layers.2", ".o_proj": ".out_proj",
            "mask_downsampler.final_conv": "mask_downsampler.encoder.12", "feature_projection": "pix_feat_proj",
            "memory_encoder.projection": "memory_encoder.out_proj", "memory_fuser": "fuser", "depthwise_conv": "dwconv",
            "pointwise_conv": "pwconv", ".scale": ".gamma",
            **{f"mask_downsampler.layers.{i}.conv": f"mask_downsampler.encoder.{3 * i}" for i in range(4)},
            **{f"mask_downsampler.layers.{i}.layer_norm": f"mask_downsampler.encoder.{3 * i + 1}" for i in range(4)},
            "layer_norm": "norm",
        },
    }  # fmt: skip
    for ours, theirs in changes[part].items():
        name = name.replace(ours, theirs)
    if part == "image_encoder" and name.startswith("neck."):
        place, kind = name.rsplit(".", 1)
        name = f"{place}.conv.{kind}"
    beginning = {"image_encoder": "image_encoder.", "memory": ""}.get(part, f"sam_{part}.")
    return beginning + name
