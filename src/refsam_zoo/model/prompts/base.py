"""The contracts of prompts: what the mask decoder reads of a sentence, as tokens (sparse) and as a map (dense)."""

from __future__ import annotations

from torch import Tensor, nn

from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.embedding_width import FollowsEmbedding
from refsam_zoo.recipes import Made
from refsam_zoo.registry import Registry
from refsam_zoo.types import ImageFeatures


class SparsePrompt(FollowsEmbedding, Made, nn.Module):
    """Makes the decoder's sparse prompt tokens of a sentence."""

    def forward(self, image: Tensor, language: Language) -> Tensor:
        """Makes one token per word.

        Args:
            image: Normalised image embedding per expression, float `[N, 256, h, w]`.
            language: N sentences.

        Returns:
            Tokens, float `[N, L, 256]`; the language's mask holds for them.
        """
        raise NotImplementedError


class DensePrompt(FollowsEmbedding, Made, nn.Module):
    """Makes the decoder's dense prompt, in two steps so that the image's share is computed once per frame."""

    def connect(self, intermediate_widths: tuple[int, ...]) -> None:
        """Makes the layers that depend on the image encoder."""

    def maps(self, image: ImageFeatures) -> list[Tensor]:
        """Prepares what depends on the image alone.

        Args:
            image: Features of B frames; `final` of unit length per pixel.

        Returns:
            Maps, each float `[B, 256, h, w]`.
        """
        return []

    def forward(self, image: Tensor, maps: list[Tensor], language: Language) -> Tensor | None:
        """Makes the dense prompt.

        Args:
            image: Normalised image embedding per expression, float `[N, 256, h, w]`.
            maps: What `maps` gave, indexed per expression: each `[N, 256, h, w]`.
            language: N sentences.

        Returns:
            float `[N, 256, h, w]`, or None for SAM's own "no mask" embedding.
        """
        raise NotImplementedError


SPARSE_PROMPTS: Registry[SparsePrompt] = Registry("sparse prompt", ["sparse_prompt"])

DENSE_PROMPTS: Registry[DensePrompt] = Registry("dense prompt", ["dense_prompt"])
