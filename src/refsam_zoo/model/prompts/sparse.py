"""Sparse prompts of RefSAM and its ablations (section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.prompts.base import SPARSE_PROMPTS, SparsePrompt
from refsam_zoo.number_types import Width
from refsam_zoo.registry import ModelCard


@SPARSE_PROMPTS.register(ModelCard("RefSAM", paper="2307.00997"))
class word_tokens(SparsePrompt):
    """RefSAM's: the projected words themselves, of unit length; the sentence vector is not among them."""

    def forward(self, image: Tensor, language: Language) -> Tensor:
        """Gives the words; see `SparsePrompt.forward`."""
        return language.words


@SPARSE_PROMPTS.register(ModelCard("refsam-zoo"))
class scaled_word_tokens(SparsePrompt):
    """The words at the scale of SAM's own tokens, variance one per channel, so that a new decoder notices them."""

    def forward(self, image: Tensor, language: Language) -> Tensor:
        """Scales the words; see `SparsePrompt.forward`."""
        return language.words * language.words.shape[-1] ** 0.5


@SPARSE_PROMPTS.register(ModelCard("RefSAM, released code"))
class word_attention(SparsePrompt):
    """The released code's option: each word joined with what it attends to in the image.

    The attention has neither softmax nor scaling there, and neither here.

    Args:
        width: Channels of the embedding space; None means the image encoder's.
    """

    def __init__(self, width: Width | None = None) -> None:
        super().__init__()
        self.take_width(width)

    def make_layers(self, width: int) -> None:
        """Makes the projection; see `FollowsEmbedding.make_layers`."""
        self.projection = nn.Linear(2 * width, width)

    def forward(self, image: Tensor, language: Language) -> Tensor:
        """Attends; see `SparsePrompt.forward`."""
        pixels = image.flatten(2)
        # (W F^T) F is W (F^T F): a 256 x 256 matrix per image instead of L x hw weights
        seen = language.words @ (pixels @ pixels.transpose(1, 2))
        return self.projection(torch.cat([seen, language.words], dim=-1))


@SPARSE_PROMPTS.register(ModelCard("RefSAM, ablation"))
class no_words(SparsePrompt):
    """The dense-only ablation: as many zero tokens as there are words."""

    def forward(self, image: Tensor, language: Language) -> Tensor:
        """Gives zeros; see `SparsePrompt.forward`."""
        return torch.zeros_like(language.words)
