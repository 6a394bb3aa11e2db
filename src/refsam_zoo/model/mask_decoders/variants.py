"""Mask decoders past the paper: one that knows the sentence from the start, one that can say that nothing is meant."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from refsam_zoo.model.mask_decoders import MASK_DECODERS, MaskDecoder
from refsam_zoo.model.mask_decoders.base import Decoded
from refsam_zoo.registry import ModelCard


@MASK_DECODERS.register(ModelCard("refsam-zoo"))
class text_conditioned_decoder(MaskDecoder):
    """SAM's decoder whose own tokens are shifted by the mean prompt token, so that its queries depend on the sentence.

    The shift starts at zero: the decoder starts as SAM's.

    Args:
        mlp_width: Width of the transformer's MLP; SAM's is 2048.
        width: Channels of the embedding space; None means the image encoder's.
    """

    fresh_parts = ("condition.",)

    def make_layers(self, width: int) -> None:
        """Makes SAM's layers and the shift; see `FollowsEmbedding.make_layers`."""
        super().make_layers(width)
        self.condition = nn.Linear(width, width)
        nn.init.zeros_(self.condition.weight)
        nn.init.zeros_(self.condition.bias)

    def own_tokens(self, sparse: Tensor, mask: Tensor | None) -> Tensor:
        """Shifts the tokens; see `MaskDecoder.own_tokens`."""
        real = torch.ones_like(sparse[..., :1]) if mask is None else mask.unsqueeze(-1).to(sparse.dtype)
        mean = (sparse * real).sum(1, keepdim=True) / real.sum(1, keepdim=True)
        return super().own_tokens(sparse, mask) + self.condition(mean)


@MASK_DECODERS.register(ModelCard("refsam-zoo"))
class existence_decoder(MaskDecoder):
    """SAM's decoder with a second opinion: how probable is it that the sentence means anything in this frame?

    A pixel's probability becomes `p(exists) * p(pixel)`, so an absent target is one decision instead of one per pixel,
    and the mask loss alone trains it. The score starts at `sigmoid(4) = 0.98`.

    Args:
        mlp_width: Width of the transformer's MLP; SAM's is 2048.
        width: Channels of the embedding space; None means the image encoder's.
    """

    fresh_parts = ("existence.",)
    tells_presence = True

    def make_layers(self, width: int) -> None:
        """Makes SAM's layers and the score; see `FollowsEmbedding.make_layers`."""
        super().make_layers(width)
        self.existence = nn.Linear(width, 1)
        nn.init.zeros_(self.existence.weight)
        nn.init.constant_(self.existence.bias, 4.0)

    def forward(
        self,
        image: Tensor,
        positions: list[Tensor],
        dense: Tensor,
        sparse: Tensor,
        mask: Tensor | None,
        fine: Sequence[Tensor] = (),
    ) -> Decoded:
        """Predicts one mask per prompt; see `MaskDecoder.forward`."""
        decoded = super().forward(image, positions, dense, sparse, mask)
        exists = self.existence(decoded.mask_token)
        logits = logit_of_both(exists, decoded.low_res_logits)
        return decoded._replace(low_res_logits=logits, object_score=exists[:, 0, 0])


def logit_of_both(first: Tensor, second: Tensor) -> Tensor:
    """`logit(sigmoid(first) * sigmoid(second))`: odds against both are `e^-a + e^-b + e^-(a + b)`."""
    first = first.expand_as(second)
    return -torch.logsumexp(torch.stack([-first, -second, -first - second]), dim=0)
