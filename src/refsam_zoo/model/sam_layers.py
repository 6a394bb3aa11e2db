"""SAM's layers, from the segment_anything package without what it imports for its predictor."""

from __future__ import annotations

from refsam_zoo.partial_imports import without_init

with without_init("segment_anything"):
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
    from segment_anything.modeling.common import LayerNorm2d, MLPBlock
    from segment_anything.modeling.image_encoder import Attention as EncoderAttention
    from segment_anything.modeling.image_encoder import Block as EncoderBlock
    from segment_anything.modeling.mask_decoder import MLP
    from segment_anything.modeling.transformer import Attention as DecoderAttention
    from segment_anything.modeling.transformer import TwoWayAttentionBlock

__all__ = [
    "MLP",
    "DecoderAttention",
    "EncoderAttention",
    "EncoderBlock",
    "ImageEncoderViT",
    "LayerNorm2d",
    "MLPBlock",
    "MaskDecoder",
    "PromptEncoder",
    "TwoWayAttentionBlock",
    "TwoWayTransformer",
]
