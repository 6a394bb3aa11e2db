"""SAM 2's mask decoder as SAMWISE (arXiv 2411.17646) runs it: mask 0, and its token early and late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from refsam_zoo.model.mask_decoders.base import MaskDecoder
from refsam_zoo.model.mask_decoders.sam2 import ABSENT, sam2_decoder


class SamwiseDecoded(NamedTuple):
    """What the decoder gives for N sentences.

    Attributes:
        logits: float `[N, 4h, 4w]`; in evaluation -1024 where the target is not in the frame.
        token: Output of mask 0's token, float `[N, C]`.
        early: The same after the first of the transformer's layers, float `[N, C]`.
        object_score: Logit of the target being in the frame, float `[N]`; None of a decoder that does not tell.
    """

    logits: Tensor
    token: Tensor
    early: Tensor
    object_score: Tensor | None


class SamwiseDecoder(sam2_decoder):
    """SAM 2's mask decoder.

    Args:
        width: Channels of the embedding space.
        presence: Whether it tells if the target is in the frame, which SAMWISE did not train on single pictures.
    """

    def __init__(self, width: int, presence: bool) -> None:
        super().__init__(width=width)
        self.presence = presence
        if not presence:
            del self.obj_score_token, self.pred_obj_score_head

    def decode(
        self, image: Tensor, positions: list[Tensor], dense: Tensor, sparse: Tensor, fine: Sequence[Tensor]
    ) -> SamwiseDecoded:
        """Predicts one mask per sentence; arguments as of `MaskDecoder.forward`."""
        place = 2 if self.presence else 1
        with _outputs_of(self.transformer.layers[0].norm3) as early:
            pixels, tokens = self.attend(image, positions, dense, sparse, None, outputs=place + 1)
        token = tokens[:, place]
        upscaled = self._upscaled(pixels, image.shape[-2], fine)
        logits = torch.einsum("nc,nchw->nhw", self.output_hypernetworks_mlps[0](token), upscaled)
        score = self.pred_obj_score_head(tokens[:, 0])[:, 0] if self.presence else None
        if score is not None and not self.training:
            logits = torch.where(score[:, None, None] > 0, logits, ABSENT)
        return SamwiseDecoded(logits, token, early[-1][:, place], score)

    def own_tokens(self, sparse: Tensor, mask: Tensor | None) -> Tensor:
        """Those of SAM where no presence is told; see `MaskDecoder.own_tokens`."""
        return super().own_tokens(sparse, mask) if self.presence else MaskDecoder.own_tokens(self, sparse, mask)


@contextmanager
def _outputs_of(module: nn.Module) -> Iterator[list[Tensor]]:
    """Keeps what a module gives inside a `with` block."""
    kept: list[Tensor] = []
    handle = module.register_forward_hook(lambda *call: kept.append(call[-1]))
    try:
        yield kept
    finally:
        handle.remove()
