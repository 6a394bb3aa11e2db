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
