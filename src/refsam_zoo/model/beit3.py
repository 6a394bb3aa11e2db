"""BEiT-3 (arXiv 2208.10442): a picture and a sentence in one sequence, each with weights of its own in every layer."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.types import Tokens
from refsam_zoo.weights.files import StateDict

HEAD_WIDTH = 64
"""Channels of an attention head, in BEiT-3 base and large."""

_FIRST_POSITION = 2
"""Row of the position embeddings that the first token reads, as in Fairseq."""


class Beit3Size(NamedTuple):
    """What tells one BEiT-3 from another.

    Attributes:
        width: Channels of a token, a multiple of 64.
        layers: How many there are.
        hidden: Channels within the feed-forward networks.
        side: Of the square picture, in pixels.
        patch: Side of a patch, in pixels.
        words: Entries of the vocabulary.
        positions: Rows of the sentence's position embeddings; it has two tokens fewer.
    """

    width: int
    layers: int
    hidden: int
    side: int
    patch: int
    words: int
    positions: int

    @classmethod
    def of(cls, state: StateDict) -> Beit3Size:
        """Reads it off the shapes of weights under the names of `Beit3`.

        Raises:
            KeyError: They are of something else.
        """
        words, width = state["text_embed.weight"].shape
        patch = state["vision_embed.proj.weight"].shape[-1]
        patches = len(state["encoder.embed_positions.A.weight"]) - _FIRST_POSITION - 1
        return cls(
            width,
            len({name.split(".")[2] for name in state if name.startswith("encoder.layers.")}),
            len(state["encoder.layers.0.ffn.A.fc1.bias"]),
            round(patches**0.5) * patch,
            patch,
            words,
            len(state["encoder.embed_positions.B.weight"]),
        )


class Beit3(nn.Module):
    """BEiT-3; key names are those of torchscale.

    Args:
        size: What tells it from others.
    """

    def __init__(self, size: Beit3Size) -> None:
        super().__init__()
        self.size = size
        self.text_embed = nn.Embedding(size.words, size.width)
        self.vision_embed = _Patches(size)
        self.encoder = _Encoder(size)

    def forward(self, images: Tensor, tokens: Tokens) -> Tensor:
        """Reads a sentence and a picture together.

        Args:
            images: Normalised pictures, float `[N, 3, S, S]`.
            tokens: N sentences.

        Returns:
            The output of the picture's class token, float `[N, C]`.
        """
        encoded: Tensor = self.encoder(self.vision_embed(images), self.text_embed(tokens.ids), tokens.mask)
        return encoded


class _Patches(nn.Module):
    """A picture `[N, 3, S, S]` as tokens `[N, 1 + patches, C]`, the class token first."""

    def __init__(self, size: Beit3Size) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, size.width, size.patch, stride=size.patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, size.width))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, size.width))  # of the pretraining; in every file

    def forward(self, images: Tensor) -> Tensor:
        patches = self.proj(images).flatten(2).transpose(1, 2)
        return torch.cat([self.cls_token.expand(len(images), -1, -1), patches], dim=1)


class _Encoder(nn.Module):
    def __init__(self, size: Beit3Size) -> None:
        super().__init__()
        pictures = (size.side // size.patch) ** 2 + 1 + _FIRST_POSITION
        self.embed_positions = nn.ModuleDict(
            {"A": nn.Embedding(pictures, size.width), "B": nn.Embedding(size.positions, size.width)}
        )
        self.layers = nn.ModuleList(_Layer(size) for _ in range(size.layers))
        self.layer_norm = _norms(size.width)

    def forward(self, picture: Tensor, sentence: Tensor, mask: Tensor) -> Tensor:
        parts = [
            part + rows.weight[_FIRST_POSITION : _FIRST_POSITION + part.shape[1]]  # type: ignore[index]
            for part, rows in zip((picture, sentence), self.embed_positions.values(), strict=True)
        ]
        tokens, split = torch.cat(parts, dim=1), picture.shape[1]
        seen = F.pad(mask, (split, 0), value=True)[:, None, None]
        for layer in self.layers:
            tokens = layer(tokens, split, seen)
        first: Tensor = self.layer_norm.A(tokens[:, 0])
        return first


class _Layer(nn.Module):
    def __init__(self, size: Beit3Size) -> None:
        super().__init__()
        self.self_attn = _Attention(size.width)
        self.self_attn_layer_norm = _norms(size.width)
        self.ffn = _TwoWays(_FeedForward(size.width, size.hidden), _FeedForward(size.width, size.hidden))
        self.final_layer_norm = _norms(size.width)

    def forward(self, tokens: Tensor, split: int, seen: Tensor) -> Tensor:
        tokens = tokens + self.self_attn(self.self_attn_layer_norm(tokens, split), split, seen)
        changed: Tensor = tokens + self.ffn(self.final_layer_norm(tokens, split), split)
        return changed


class _Attention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (
            _TwoWays(nn.Linear(width, width), nn.Linear(width, width)) for _ in range(4)
        )
        self.inner_attn_ln = _norms(width)

    def forward(self, tokens: Tensor, split: int, seen: Tensor) -> Tensor:
        query, key, value = (
            part(tokens, split).unflatten(-1, (-1, HEAD_WIDTH)).transpose(1, 2)
            for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=seen).transpose(1, 2).flatten(2)
        projected: Tensor = self.out_proj(self.inner_attn_ln(attended, split), split)
        return projected


class _FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.ffn_layernorm = nn.LayerNorm(hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        hidden = self.fc1(tokens)
        changed: Tensor = self.fc2(self.ffn_layernorm(F.gelu(hidden.float()).type_as(hidden)))
        return changed


class _TwoWays(nn.Module):
    """A module for the picture's tokens, A, and one for the sentence's, B, which follow them."""

    def __init__(self, picture: nn.Module, sentence: nn.Module) -> None:
        super().__init__()
        self.A, self.B = picture, sentence

    def forward(self, tokens: Tensor, split: int) -> Tensor:
        return torch.cat([self.A(tokens[:, :split]), self.B(tokens[:, split:])], dim=1)


def _norms(width: int) -> _TwoWays:
    return _TwoWays(nn.LayerNorm(width), nn.LayerNorm(width))
