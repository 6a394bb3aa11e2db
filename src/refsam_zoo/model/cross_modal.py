"""From words to SAM's embedding space: the Cross-Modal MLP (RefSAM, section 3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.model.embedding_width import FollowsEmbedding
from refsam_zoo.number_types import Depth, Probability, Width
from refsam_zoo.recipes import Made
from refsam_zoo.types import TextFeatures


class Language(NamedTuple):
    """Sentences in SAM's embedding space.

    Attributes:
        words: float `[N, L, 256]`, unit length per token.
        sentence: float `[N, 256]`, unit length.
        mask: bool `[N, L]`, True on real tokens.
    """

    words: Tensor
    sentence: Tensor
    mask: Tensor


class CrossModalMLP(FollowsEmbedding, Made, nn.Module):
    """Projects text features into SAM's embedding space, words and mean sentence by the same weights.

    Args:
        hidden_layers: Hidden layers of half the text width; the paper's ablation finds 1 best, 0 is one linear map.
        dropout: Dropout after each hidden layer.
        width: Channels of the embedding space; None means the image encoder's.
    """

    def __init__(self, hidden_layers: Depth = 1, dropout: Probability = 0.0, width: Width | None = None) -> None:
        super().__init__()
        self.take_width(width)
        self.hidden_layers = hidden_layers
        self.dropout = dropout

    def connect(self, text_width: int) -> None:
        """Makes the layers, once both widths are known."""
        assert self.width is not None, "take_width comes first"
        width, layers = text_width, list[nn.Module]()
        for _ in range(self.hidden_layers):
            layers += [nn.Linear(width, text_width // 2), nn.ReLU()]
            if self.dropout > 0:
                layers.append(nn.Dropout(self.dropout))
            width = text_width // 2
        self.layers = nn.Sequential(*layers, nn.Linear(width, self.width))

    def forward(self, text: TextFeatures) -> Language:
        """Projects and normalises.

        Args:
            text: Features of N sentences; padding is left out of the mean.
        """
        real = text.mask.unsqueeze(-1)
        # where, not multiplication: what stands at padding may be anything, not a number included
        words = torch.where(real, text.words, 0.0)
        mean = words.sum(1) / real.sum(1)
        return Language(F.normalize(self.layers(words), dim=-1), F.normalize(self.layers(mean), dim=-1), text.mask)
