"""A small text transformer in CLIP's manner, to be trained from scratch on a CPU."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from refsam_zoo.model.text_encoders.base import TEXT_ENCODERS, key_padding_bias, known_unpadded
from refsam_zoo.model.text_encoders.clip import VOCABULARY, ClipTextEncoder
from refsam_zoo.model.text_encoders.clip_tower import ClipTower
from refsam_zoo.number_types import Depth
from refsam_zoo.registry import ModelCard

_EMBEDDING_RANK = 32


@TEXT_ENCODERS.register(ModelCard("CLIP text tower, small", "none: trained by the demo"))
class clip_tiny(ClipTextEncoder):
    """CLIP's text transformer with 2 layers of width 128 over CLIP's vocabulary, 2.0 M parameters.

    Two things differ from CLIP. Every word sees the whole sentence, since word features and not the last token's are
    used. And the embedding of the 49408 tokens is factorised through 32 channels (as in ALBERT, arXiv 1909.11942),
    because AdamW's update of 6.3 M embedding parameters took most of a training step on a CPU.

    Args:
        checkpoint: A file with the tower's own names; None means random weights, initialised as CLIP's.
        layers: Number of transformer layers; None means 2.
    """

    width, heads, depth = 128, 4, 2

    def __init__(self, checkpoint: str | Path | None = None, layers: Depth | None = None) -> None:
        super().__init__(checkpoint, layers, quick_gelu=False)

    def build_tower(self, layers: int, quick_gelu: bool) -> ClipTower:
        """Makes the transformer, its token embedding factorised."""
        tower = ClipTower(1, self.max_tokens, self.width, self.heads, layers, nn.GELU)
        table, expand = nn.Embedding(VOCABULARY, _EMBEDDING_RANK), nn.Linear(_EMBEDDING_RANK, self.width, bias=False)
        nn.init.normal_(table.weight, std=0.02)
        nn.init.normal_(expand.weight, std=_EMBEDDING_RANK**-0.5)
        tower.token_embedding = nn.Sequential(table, expand)
        return tower

    def attention_bias(self, mask: Tensor, dtype: torch.dtype) -> Tensor | None:
        """Keeps attention off padding: `[N * heads, L, L]`; None where it is known that there is none."""
        if known_unpadded(mask):
            return None
        bias = key_padding_bias(mask, dtype).expand(-1, mask.shape[1], -1)
        return bias.repeat_interleave(self.heads, dim=0)
