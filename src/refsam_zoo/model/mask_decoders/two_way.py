"""SAM's two-way transformer with the same layers and numbers as the package's, in fewer and larger products.

Per layer the pixels are projected once, to keys and values for the tokens and to their own queries. Positions are
projected once for all frames and prompts instead of being added to the pixels of each. The last attention looks at
pixels through the queries of the few tokens that are read afterwards, instead of projecting all of them. Without
gradients a processor updates the pixels strip by strip in place, so that it works in its caches and in memory it has.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from refsam_zoo.model.sam_layers import DecoderAttention, TwoWayAttentionBlock, TwoWayTransformer

PIXELS_PER_THREAD = 1024
"""Cells of the image embedding that each thread of a processor works on at once."""


def strips(pixels: Tensor) -> tuple[Tensor, ...]:
    """Splits `[N, h * w, C]` into what a processor works on at once; other devices take all."""
    size = PIXELS_PER_THREAD * torch.get_num_threads() if pixels.device.type == "cpu" else pixels.shape[1]
    return pixels.split(size, dim=1)


def position_terms(transformer: TwoWayTransformer, image_pe: Tensor) -> list[Tensor]:
    """Projects the positional encoding of the pixels for every layer.

    Args:
        transformer: The layers.
        image_pe: Positional encoding, float `[1, C, h, w]`.

    Returns:
        What to add to projected pixels: per layer for keys, values and queries side by side, float
        `[1, h * w, 3 * C / 2]`, and last for the keys of the final attention, float `[1, h * w, C / 2]`.
    """
    positions = image_pe.flatten(2).transpose(1, 2)
    terms = []
    for layer in transformer.layers:
        key, value, query = _layers_on_pixels(layer)
        parts = [F.linear(positions, part.weight, part.bias) for part in (key, query)]
        # values carry no positions
        terms.append(torch.cat([parts[0], value.bias.expand_as(parts[0]), parts[1]], dim=-1))
    final = transformer.final_attn_token_to_image.k_proj
    return [*terms, F.linear(positions, final.weight, final.bias)]


def transform(
    transformer: TwoWayTransformer,
    pixels: Tensor,
    positions: list[Tensor],
    prompt: Tensor,
    mask: Tensor | None,
    outputs: int,
) -> tuple[Tensor, Tensor]:
    """Lets tokens and pixels attend to each other, as `TwoWayTransformer.forward`.

    Args:
        transformer: The layers.
        pixels: float `[N, h * w, C]`; may be overwritten where gradients are off.
        positions: What `position_terms` gave.
        prompt: Tokens, float `[N, L, C]`, also their own positional encoding.
        mask: bool `[N, 1, 1, L]`, False on padding; None where there is none.
        outputs: How many of the first tokens are wanted.

    Returns:
        Tokens, float `[N, outputs, C]`, and pixels, float `[N, h * w, C]`.
    """
    tokens = prompt
    for layer, term in zip(transformer.layers, positions[:-1], strict=True):
        tokens, pixels = _transform_once(layer, tokens, pixels, prompt, term, mask)
    tokens, prompt = tokens[:, :outputs], prompt[:, :outputs]
    seen = _attend_to_pixels(transformer.final_attn_token_to_image, tokens + prompt, pixels, positions[-1])
    return transformer.norm_final_attn(tokens + seen), pixels


def _layers_on_pixels(block: TwoWayAttentionBlock) -> tuple[torch.nn.Linear, ...]:
    """The layers for the pixels' keys and values and for their queries."""
    to_image, to_tokens = block.cross_attn_token_to_image, block.cross_attn_image_to_token
    return to_image.k_proj, to_image.v_proj, to_tokens.q_proj


def _transform_once(
    block: TwoWayAttentionBlock, tokens: Tensor, pixels: Tensor, token_pe: Tensor, term: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    weight = torch.cat([layer.weight for layer in _layers_on_pixels(block)])
    pixel_key, pixel_value, pixel_query = F.linear(pixels, weight).add_(term).chunk(3, dim=-1)

    own = block.self_attn
    query = tokens if block.skip_first_layer_pe else tokens + token_pe
    attended = _attend(own, own.q_proj(query), own.k_proj(query), own.v_proj(tokens), mask)
    tokens = block.norm1(attended if block.skip_first_layer_pe else tokens + attended)

    to_image, to_tokens = block.cross_attn_token_to_image, block.cross_attn_image_to_token
    attended = _attend(to_image, to_image.q_proj(tokens + token_pe), pixel_key, pixel_value, None)
    tokens = block.norm2(tokens + attended)
    tokens = block.norm3(tokens + block.mlp(tokens))
    key, value = to_tokens.k_proj(tokens + token_pe), to_tokens.v_proj(tokens)
    if torch.is_grad_enabled():
        return tokens, block.norm4(pixels + _attend(to_tokens, pixel_query, key, value, mask))
    for strip, query in zip(strips(pixels), strips(pixel_query), strict=True):
        strip.copy_(block.norm4(strip + _attend(to_tokens, query, key, value, mask)))
    return tokens, pixels


def _attend(attention: DecoderAttention, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """Attends with what is projected already."""
    query, key, value = (_heads(attention, part) for part in (query, key, value))
    attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return attention.out_proj(attended.transpose(1, 2).flatten(2))


def _attend_to_pixels(attention: DecoderAttention, tokens: Tensor, pixels: Tensor, key_positions: Tensor) -> Tensor:
    """Attends from few tokens without projecting the pixels: `q (W p)` is `(q W) p`, and `sum w (V p)` is `V sum w p`.

    Args:
        attention: The layers.
        tokens: float `[N, K, C]`, with their positions.
        pixels: float `[N, h * w, C]`.
        key_positions: The keys' share of positions and bias, float `[1, h * w, C / 2]`.
    """
    query = _heads(attention, attention.q_proj(tokens)) * (attention.internal_dim // attention.num_heads) ** -0.5
    key_weight, value_weight = (
        layer.weight.unflatten(0, (attention.num_heads, -1)) for layer in (attention.k_proj, attention.v_proj)
    )
    logits = (query @ key_weight).flatten(1, 2) @ pixels.transpose(1, 2)
    logits = logits.unflatten(1, query.shape[1:3]) + query @ _heads(attention, key_positions).transpose(2, 3)
    seen = logits.softmax(-1).flatten(1, 2) @ pixels
    attended = seen.unflatten(1, query.shape[1:3]) @ value_weight.transpose(1, 2)
    return attention.out_proj(attended.transpose(1, 2).flatten(2) + attention.v_proj.bias)


def _heads(attention: DecoderAttention, tokens: Tensor) -> Tensor:
    return tokens.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
