"""SAM's mask decoder, from the segment_anything package, run on padded batches and with a track token."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from segment_anything.modeling import MaskDecoder as SamMaskDecoder
from segment_anything.modeling import PromptEncoder, TwoWayTransformer
from segment_anything.modeling.transformer import Attention, TwoWayAttentionBlock
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.checkpoints.loading import load_into, load_state_dict, select_prefix
from refsam_zoo.model.cross_modal import EMBEDDING_WIDTH


class Decoded(NamedTuple):
    """What the decoder gives for N prompts.

    Attributes:
        low_res_logits: float `[N, 4h, 4w]`.
        iou: Predicted mask quality, float `[N]`.
        mask_token: Output of mask token 0, float `[N, 1, 256]`.
    """

    low_res_logits: Tensor
    iou: Tensor
    mask_token: Tensor


class MaskDecoder(SamMaskDecoder):
    """SAM's mask decoder with SAM's own layers and key names; the starting point of `decoder_variants`.

    Three things differ from the package's `forward`: a batch may hold sentences of unequal length (padding tokens are
    masked out of every attention), each prompt has its own image, and only the first mask is computed, whose token is
    returned for tracking.

    Args:
        mlp_width: Width of the transformer's MLP; SAM's is 2048.
        width: Channels of the embedding space; SAM's is 256.

    Attributes:
        fresh_parts: Names of submodules that no SAM checkpoint fills.
    """

    fresh_parts: tuple[str, ...] = ()

    def __init__(self, mlp_width: int = 2048, width: int = EMBEDDING_WIDTH) -> None:
        super().__init__(
            transformer_dim=width,
            transformer=TwoWayTransformer(depth=2, embedding_dim=width, num_heads=8, mlp_dim=mlp_width),
        )

    def forward(self, image: Tensor, image_pe: Tensor, dense: Tensor, sparse: Tensor, mask: Tensor | None) -> Decoded:
        """Predicts one mask per prompt.

        Args:
            image: Image embedding of each prompt, float `[N, 256, h, w]`.
            image_pe: Positional encoding, float `[1, 256, h, w]`.
            dense: Dense prompt, float `[N, 256, h, w]`.
            sparse: Prompt tokens, float `[N, L, 256]`.
            mask: bool `[N, L]`, False on padding; None where there is none.
        """
        own = self.own_tokens(sparse, mask)
        tokens = torch.cat([own, sparse], dim=1)
        if mask is not None:
            mask = F.pad(mask, (own.shape[1], 0), value=True)[:, None, None, :]
        pixels = (image + dense).flatten(2).transpose(1, 2)
        tokens, pixels = _two_way(self.transformer, pixels, image_pe.flatten(2).transpose(1, 2), tokens, mask)

        upscaled = self.output_upscaling(pixels.transpose(1, 2).unflatten(2, image.shape[-2:]))
        mask_token = tokens[:, 1]
        kernel = self.output_hypernetworks_mlps[0](mask_token)
        logits = (kernel.unsqueeze(1) @ upscaled.flatten(2)).squeeze(1).unflatten(1, upscaled.shape[-2:])
        return Decoded(logits, self.iou_prediction_head(tokens[:, 0])[:, 0], mask_token.unsqueeze(1))

    def own_tokens(self, sparse: Tensor, mask: Tensor | None) -> Tensor:
        """Gives the IoU token and the mask tokens of each prompt, float `[N, 5, 256]`; SAM's are always the same."""
        return torch.cat([self.iou_token.weight, self.mask_tokens.weight]).expand(len(sparse), -1, -1)

    def freeze_unused(self) -> None:
        """Freezes what a single mask never reaches: the IoU head and the other masks' hypernetworks."""
        self.iou_prediction_head.requires_grad_(False)
        self.output_hypernetworks_mlps[1:].requires_grad_(False)


def _two_way(
    transformer: TwoWayTransformer, pixels: Tensor, pixel_pe: Tensor, prompt: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """`TwoWayTransformer.forward` with padding masked and fused attention; same result without padding."""
    tokens = prompt
    for layer in transformer.layers:
        tokens, pixels = _two_way_block(layer, tokens, pixels, prompt, pixel_pe, mask)
    final = transformer.final_attn_token_to_image
    tokens = tokens + _attend(final, tokens + prompt, pixels + pixel_pe, pixels, None)
    return transformer.norm_final_attn(tokens), pixels


def _two_way_block(
    block: TwoWayAttentionBlock, tokens: Tensor, pixels: Tensor, token_pe: Tensor, pixel_pe: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    if block.skip_first_layer_pe:
        tokens = _attend(block.self_attn, tokens, tokens, tokens, mask)
    else:
        query = tokens + token_pe
        tokens = tokens + _attend(block.self_attn, query, query, tokens, mask)
    tokens = block.norm1(tokens)

    keys = pixels + pixel_pe
    tokens = block.norm2(tokens + _attend(block.cross_attn_token_to_image, tokens + token_pe, keys, pixels, None))
    tokens = block.norm3(tokens + block.mlp(tokens))
    pixels = pixels + _attend(block.cross_attn_image_to_token, keys, tokens + token_pe, tokens, mask)
    return tokens, block.norm4(pixels)


def _attend(attention: Attention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    def heads(x: Tensor) -> Tensor:
        return x.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)

    attended = F.scaled_dot_product_attention(
        heads(attention.q_proj(query)), heads(attention.k_proj(key)), heads(attention.v_proj(value)), attn_mask=mask
    )
    return attention.out_proj(attended.transpose(1, 2).flatten(2))


def build_prompt_encoder(image_size: int, grid: int, width: int) -> PromptEncoder:
    """Makes SAM's prompt encoder, of which RefSAM uses the positional encoding; it is never trained.

    Args:
        image_size: Side of the square input in pixels.
        grid: Side of the image embedding in cells.
        width: Channels of the embedding space.
    """
    encoder = PromptEncoder(width, (grid, grid), (image_size, image_size), mask_in_chans=16)
    return encoder.requires_grad_(False)


def load_sam_decoder(prompt_encoder: nn.Module, mask_decoder: MaskDecoder, checkpoint: Path) -> None:
    """Loads the prompt encoder and mask decoder of a SAM checkpoint; the decoder's fresh parts stay as they are.

    Raises:
        InputError: The file is missing, no checkpoint, or has other keys or shapes.
    """
    state = load_state_dict(checkpoint)
    load_into(prompt_encoder, select_prefix(state, "prompt_encoder."), f"{checkpoint} (prompt_encoder)")
    fresh = {n: tensor for n, tensor in mask_decoder.state_dict().items() if n.startswith(mask_decoder.fresh_parts)}
    load_into(mask_decoder, select_prefix(state, "mask_decoder.") | fresh, f"{checkpoint} (mask_decoder)")
