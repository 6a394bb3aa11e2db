"""Attention over a grid of tokens or its windows, with decomposed relative positions and no bias matrix in memory.

The positions are those of MViTv2 (arXiv 2112.01526), as in SAM. A bias of 12 heads x 4096 x 4096 cells, as
`segment_anything` adds it to the weights of one 1024 x 1024 image, is 805 MB in float32; both ways here give the same
numbers without it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.model.sam_layers import EncoderAttention, EncoderBlock, MLPBlock

TOKENS_AT_ONCE = 1024
"""Tokens whose projections and wide MLP activations are in a processor's memory together."""

BIAS_AT_ONCE = 2**22
"""Elements of the position bias computed at a time on a processor, 16 MB: glibc's allocator reuses blocks below 32."""


def fuse(block: EncoderBlock) -> None:
    """Lets a block of SAM's ViT compute the same with less time and memory, in place and under the same key names.

    Windows are cut inside the attention, so that padding is never projected and hooks see the grid of tokens.
    """
    block.attn = GridAttention(block.attn, block.window_size)
    block.mlp = PiecewiseMLP(block.mlp)
    block.window_size = 0


class GridAttention(nn.Module):
    """Self-attention with the layers and positions of `segment_anything`'s.

    Args:
        attention: Gives its parameters.
        window: Side of a window in tokens; 0 attends over the whole grid.
    """

    def __init__(self, attention: EncoderAttention, window: int) -> None:
        super().__init__()
        self.heads = attention.num_heads
        self.window = window
        self.qkv, self.proj = attention.qkv, attention.proj
        self.use_rel_pos = attention.use_rel_pos
        if self.use_rel_pos:
            self.rel_pos_h, self.rel_pos_w = attention.rel_pos_h, attention.rel_pos_w

    def forward(self, tokens: Tensor) -> Tensor:
        """Attends: float `[B, h, w, width]` to as much."""
        if self.window == 0:
            split = self.qkv(tokens).flatten(1, 2).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
            attended = self._attend(split, (tokens.shape[1], tokens.shape[2]))
            return self.proj(attended.transpose(1, 2).reshape(tokens.shape))
        lines = self.window
        if tokens.device.type == "cpu":
            lines *= max(1, TOKENS_AT_ONCE // (len(tokens) * tokens.shape[2] * self.window))
        else:
            lines *= -(-tokens.shape[1] // self.window)
        return torch.cat([self._windows(strip) for strip in tokens.split(lines, dim=1)], dim=1)

    def _windows(self, tokens: Tensor) -> Tensor:
        """Attends within the windows of some rows of tokens."""
        side, (height, width) = self.window, tokens.shape[1:3]
        projected = self.qkv(tokens)
        if height % side or width % side:
            projected = self._pad(projected, tokens)
        # [B, rows of windows, side, windows in a row, side, (q, k, v), heads, channels of a head]
        split = projected.unflatten(1, (-1, side)).unflatten(3, (-1, side)).unflatten(5, (3, self.heads, -1))
        windows = split.permute(5, 0, 1, 3, 6, 2, 4, 7)
        attended = self._attend(windows.flatten(5, 6).flatten(1, 3), (side, side))
        whole = attended.view(windows.shape[1:]).permute(0, 1, 4, 2, 5, 3, 6).flatten(5).flatten(3, 4).flatten(1, 2)
        return self.proj(whole[:, :height, :width])

    def _pad(self, projected: Tensor, tokens: Tensor) -> Tensor:
        """Fills up the last windows with what a token of zeros is projected to; SAM attends to those as well."""
        height, width = (-(-size // self.window) * self.window for size in tokens.shape[1:3])
        zero = self.qkv(tokens.new_zeros(1, 1, 1, tokens.shape[-1]))
        padded = zero.expand(len(tokens), height, width, -1).clone()
        padded[:, : tokens.shape[1], : tokens.shape[2]] = projected
        return padded

    def _attend(self, split: Tensor, size: tuple[int, int]) -> Tensor:
        """Attends from and to all cells of a grid: `[3, N, heads, h * w, C]` to `[N, heads, h * w, C]`."""
        query, key, value = split
        if not self.use_rel_pos:
            return F.scaled_dot_product_attention(query, key, value)
        tables = (self.rel_pos_h, self.rel_pos_w)
        rows, columns = (relative_table(table, side) for table, side in zip(tables, size, strict=True))
        return attend(query, key, value, rows, columns)


class PiecewiseMLP(nn.Module):
    """The block's MLP, on a processor some tokens at a time.

    Args:
        mlp: Gives its layers.
    """

    def __init__(self, mlp: MLPBlock) -> None:
        super().__init__()
        self.lin1, self.lin2, self.act = mlp.lin1, mlp.lin2, mlp.act

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps tokens, float `[..., width]`, to as many."""
        flat = tokens.flatten(0, -2)
        pieces = flat.split(TOKENS_AT_ONCE if tokens.device.type == "cpu" else len(flat))
        return torch.cat([self.lin2(self.act(self.lin1(piece))) for piece in pieces]).view(tokens.shape)


def relative_table(positions: Tensor, size: int) -> Tensor:
    """Looks up the embedding of every pair of places on one axis.

    Args:
        positions: Embedding of each distance, from `1 - size` to `size - 1`, float `[2 * size - 1, C]`.
        size: Places on the axis.

    Returns:
        float `[size, size, C]`: query place, key place.
    """
    places = torch.arange(size, device=positions.device)
    return positions[places[:, None] - places + size - 1]


def attend(query: Tensor, key: Tensor, value: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Computes `softmax(q k / sqrt(C) + q rows + q columns) v` over grids of `h * w` cells.

    Without a gradient, in float32 on a processor, the bias is computed a piece at a time; otherwise it is folded into
    queries and keys, of which PyTorch's fused kernels keep no weights for the backward pass either.

    Args:
        query: float `[N, heads, h * w, C]`, one entry per image or window.
        key: As the query.
        value: As the query.
        rows: Relative table of the vertical axis, float `[h, h, C]`.
        columns: Relative table of the horizontal axis, float `[w, w, C]`.

    Returns:
        float `[N, heads, h * w, C]`.
    """
    trained = torch.is_grad_enabled() and any(part.requires_grad for part in (query, key, value, rows, columns))
    # a table may have another dtype than the projections under autocast
    rows, columns = rows.to(query.dtype), columns.to(query.dtype)
    if trained or query.dtype != torch.float32 or query.device.type != "cpu":
        return _attend_folded(query, key, value, rows, columns)
    return _attend_in_pieces(query, key, value, rows, columns)


def _products(query: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Products of queries `[..., h, w, C]` with both tables: `[..., h, w, h]` and `[..., h, w, w]`."""
    return query @ rows.transpose(1, 2), (query.transpose(-3, -2) @ columns.transpose(1, 2)).transpose(-3, -2)


def _attend_folded(query: Tensor, key: Tensor, value: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Appends the relative terms to the queries and matching one-hot places to the keys: a plain dot product."""
    height, width, channels = len(rows), len(columns), query.shape[-1]
    products = _products(query.unflatten(2, (height, width)), rows, columns)
    query = torch.cat([query * channels**-0.5, *(part.flatten(2, 3) for part in products)], dim=-1)
    row, column = (torch.eye(side, dtype=key.dtype, device=key.device) for side in (height, width))
    places = torch.cat([row.repeat_interleave(width, 0), column.repeat(height, 1)], dim=-1)
    key = torch.cat([key, places.expand(*key.shape[:2], -1, -1)], dim=-1)
    value = F.pad(value, (0, height + width))  # the fused kernels want one width
    return F.scaled_dot_product_attention(query, key, value, scale=1.0)[..., :channels]


def _attend_in_pieces(query: Tensor, key: Tensor, value: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Goes over some entries, then over some rows of queries, with a bias for those alone."""
    height, width = len(rows), len(columns)
    count, heads, cells = query.shape[:3]
    entries = min(count, max(1, BIAS_AT_ONCE // (heads * cells**2)))
    lines = min(height, max(1, BIAS_AT_ONCE // (heads * width * cells)))
    attended = query.new_empty(query.shape)
    for first in range(0, count, entries):
        chosen = slice(first, first + entries)
        for top in range(0, height, lines):
            piece = query[chosen, :, top * width : (top + lines) * width]
            vertical, horizontal = _products(piece.unflatten(2, (-1, width)), rows[top : top + lines], columns)
            bias = (vertical[..., None] + horizontal[..., None, :]).flatten(4, 5).flatten(2, 3)
            attended[chosen, :, top * width : (top + lines) * width] = F.scaled_dot_product_attention(
                piece, key[chosen], value[chosen], attn_mask=bias
            )
    return attended
