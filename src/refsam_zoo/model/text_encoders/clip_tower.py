"""The text transformer of CLIP (arXiv 2103.00020, section 2.4), its parts named as in the published weights."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn


class QuickGELU(nn.Module):
    """The approximation of GELU that OpenAI's models were trained with."""

    def forward(self, values: Tensor) -> Tensor:
        """Applies it to float values of any shape."""
        return values * torch.sigmoid(1.702 * values)


class ClipBlock(nn.Module):
    """A transformer layer with normalisation before attention and MLP.

    Args:
        width: Channels.
        heads: Attention heads, of which `width` is a multiple.
        activation: Between the two layers of the MLP.
    """

    def __init__(self, width: int, heads: int, activation: nn.Module) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width)
        parts = {"c_fc": nn.Linear(width, 4 * width), "gelu": activation, "c_proj": nn.Linear(4 * width, width)}
        self.mlp = nn.Sequential(OrderedDict(parts))

    def forward(self, words: Tensor, bias: Tensor | None) -> Tensor:
        """Attends among words, float `[N, L, width]`; see `ClipTower.forward` for the bias."""
        normalised = self.ln_1(words)
        attended, _ = self.attn(normalised, normalised, normalised, need_weights=False, attn_mask=bias)
        words = words + attended
        changed: Tensor = words + self.mlp(self.ln_2(words))
        return changed


class ClipTower(nn.Module):
    """Embeddings of tokens and positions, the layers, and a last normalisation; without pooling and projection.

    Args:
        vocabulary: Number of tokens.
        length: Number of positions.
        width: Channels.
        heads: Attention heads.
        layers: Number of layers.
        activation: Class of the activation in the MLPs.
    """

    def __init__(
        self, vocabulary: int, length: int, width: int, heads: int, layers: int, activation: type[nn.Module]
    ) -> None:
        super().__init__()
        self.token_embedding: nn.Module = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.empty(length, width))
        blocks = nn.ModuleList(ClipBlock(width, heads, activation()) for _ in range(layers))
        self.transformer = nn.ModuleDict({"resblocks": blocks})
        self.ln_final = nn.LayerNorm(width)
        self._initialise(width)

    @property
    def blocks(self) -> nn.ModuleList:
        """The layers."""
        blocks = self.transformer["resblocks"]
        assert isinstance(blocks, nn.ModuleList)
        return blocks

    def _initialise(self, width: int) -> None:
        """Draws random weights as CLIP does: smaller where one of `2 * layers` summands is made."""
        nn.init.normal_(self.get_parameter("token_embedding.weight"), std=0.02)
        nn.init.normal_(self.positional_embedding, std=0.01)
        added = width**-0.5 * (2 * max(1, len(self.blocks))) ** -0.5
        spreads = {
            "attn.in_proj_weight": width**-0.5,
            "attn.out_proj.weight": added,
            "mlp.c_fc.weight": (2 * width) ** -0.5,
            "mlp.c_proj.weight": added,
        }
        for block in self.blocks:
            for name, spread in spreads.items():
                nn.init.normal_(block.get_parameter(name), std=spread)

    def forward(self, ids: Tensor, bias: Tensor | None) -> Tensor:
        """Encodes tokens.

        Args:
            ids: Token ids, int64 `[N, L]`, L at most `length`.
            bias: Added to the attention's logits, float `[L, L]` or `[N * heads, L, L]`; -inf keeps a word off another.

        Returns:
            Normalised features, float `[N, L, width]`.
        """
        words = self.token_embedding(ids) + self.positional_embedding[: ids.shape[1]]
        for block in self.blocks:
            words = block(words, bias)
        normalised: Tensor = self.ln_final(words)
        return normalised
