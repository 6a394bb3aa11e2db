"""SAM 2's mask decoder (arXiv 2408.00714): SAM's with an object score and maps finer than the embedding."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from refsam_zoo.errors import InputError
from refsam_zoo.model.mask_decoders.base import MASK_DECODERS, Decoded, MaskDecoder
from refsam_zoo.model.mask_decoders.variants import logit_of_both
from refsam_zoo.model.sam_layers import MLP
from refsam_zoo.number_types import Width
from refsam_zoo.registry import ModelCard
from refsam_zoo.weights.files import StateDict
from refsam_zoo.weights.sam2 import read_sam2

ABSENT = -1024.0
"""Logit of every pixel where SAM 2 says that there is no object."""

_FINE = 2
_STABLE, _MARGIN = 0.98, 0.05
"""Mask 0 is stable where moving the threshold by the margin, in logits, changes no more than 2 % of it."""


@MASK_DECODERS.register(ModelCard("SAM 2", "part of SAM 2's checkpoints", "Apache-2.0", "2408.00714"))
class sam2_decoder(MaskDecoder):
    """SAM 2's mask decoder; key names are those of Meta's files, but for the MLPs in the transformer, as SAM has them.

    In evaluation a mask is empty where the object score is below zero. In training a pixel's probability is instead
    multiplied by that of the object, so that the mask loss alone trains the score.

    Args:
        mlp_width: Width of the transformer's MLP; SAM 2's is 2048.
        width: Channels of the embedding space; None means the image encoder's.
        masks: "first" gives mask 0, SAM's answer where a prompt is not ambiguous, as RefSAM does. "best" gives that of
            the other three with the highest predicted quality, as SAM 2 does for a click and while it tracks.
    """

    always_padded = True
    tells_presence = True

    def __init__(
        self, mlp_width: Width = 2048, width: Width | None = None, masks: Literal["first", "best"] = "first"
    ) -> None:
        super().__init__(mlp_width, width)
        self.masks = masks

    def make_layers(self, width: int) -> None:
        """Makes SAM's layers and SAM 2's; see `FollowsEmbedding.make_layers`."""
        super().make_layers(width)
        self.obj_score_token = nn.Embedding(1, width)
        self.pred_obj_score_head = MLP(width, width, 1, 3)
        self.conv_s0 = nn.Conv2d(width, width // 8, 1)
        self.conv_s1 = nn.Conv2d(width, width // 4, 1)

    def read_checkpoint(self, checkpoint: str | Path) -> tuple[StateDict, StateDict]:
        """Reads them from a file of SAM 2; see `MaskDecoder.read_checkpoint`."""
        return read_sam2(checkpoint, "prompt_encoder"), read_sam2(checkpoint, "mask_decoder")

    def connect(self, fine_widths: Sequence[int]) -> None:
        """Makes sure that the encoder gives the two finer maps; see `MaskDecoder.connect`."""
        if tuple(fine_widths) != (self.width,) * _FINE:
            raise InputError(
                "mask decoder sam2_decoder reads two finer maps of SAM 2's image encoders; choose "
                "--model.image_encoder sam2_hiera_base_plus or the like, or --model.mask_decoder sam_decoder"
            )

    def fine_maps(self, fine: Sequence[Tensor]) -> Sequence[Tensor]:
        """Projects the maps of stride 4 and 8; see `MaskDecoder.fine_maps`."""
        finest, finer = fine
        return self.conv_s0(finest), self.conv_s1(finer)

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
        kept = slice(1, 4) if self.masks == "best" else slice(0, 1)
        logits, quality, tokens, score = self.all_masks(image, positions, dense, sparse, mask, fine, kept)
        return self._chosen(quality.argmax(1), logits, quality, tokens, score)

    def prompted(
        self,
        image: Tensor,
        positions: list[Tensor],
        dense: Tensor,
        sparse: Tensor,
        fine: Sequence[Tensor] = (),
        ambiguous: bool = False,
    ) -> Decoded:
        """Takes the best of three masks of a single click, mask 0 of more unless it is unstable, as SAM 2 does.

        See `MaskDecoder.prompted`.
        """
        logits, quality, tokens, score = self.all_masks(image, positions, dense, sparse, None, fine, slice(0, 4))
        best = 1 + quality[:, 1:].argmax(1)
        chosen = best if ambiguous else torch.where(_stability(logits[:, 0]) >= _STABLE, 0, best)
        decoded = self._chosen(chosen, logits, quality, tokens, score)
        return decoded if ambiguous else decoded._replace(mask_token=tokens[:, :1])  # whatever mask is shown

    def each(
        self, image: Tensor, positions: list[Tensor], dense: Tensor, sparse: Tensor, fine: Sequence[Tensor] = ()
    ) -> tuple[Tensor, Tensor]:
        """Predicts a mask of each prompt token, as of the first mask's; see `MaskDecoder.each`."""
        own = self.own_tokens(sparse, None).shape[1]
        pixels, tokens = self.attend(image, positions, dense, sparse, None, outputs=own + sparse.shape[1])
        kernels = self.output_hypernetworks_mlps[0](tokens[:, own:])
        upscaled = self._upscaled(pixels, image.shape[-2], fine)
        return torch.einsum("nkc,nchw->nkhw", kernels, upscaled), tokens[:, own:]

    def _chosen(self, chosen: Tensor, logits: Tensor, quality: Tensor, tokens: Tensor, score: Tensor) -> Decoded:
        """Picks one mask of each prompt; `chosen` int `[N]`, all others as `all_masks` gives them."""
        rows = torch.arange(len(score), device=score.device)
        shown = self.where_present(logits[rows, chosen], score)
        return Decoded(shown, quality[rows, chosen], tokens[rows, chosen][:, None], score)

    def all_masks(
        self,
        image: Tensor,
        positions: list[Tensor],
        dense: Tensor,
        sparse: Tensor,
        mask: Tensor | None,
        fine: Sequence[Tensor],
        kept: slice,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Predicts K of the four masks.

        Args:
            image: As of `forward`.
            positions: As of `forward`.
            dense: As of `forward`.
            sparse: As of `forward`.
            mask: As of `forward`.
            fine: As of `forward`.
            kept: Which of them: mask 0 is SAM's answer to a clear prompt, the three others are those to a vague one.

        Returns:
            Logits float `[N, K, 4h, 4w]`, their predicted quality `[N, K]` in 0..1, their tokens `[N, K, C]`, and the
            object score, a logit `[N]`.
        """
        pixels, tokens = self.attend(image, positions, dense, sparse, mask, outputs=6)
        mask_tokens = tokens[:, 2:6][:, kept]
        heads = self.output_hypernetworks_mlps[kept]
        upscaled = self._upscaled(pixels, image.shape[-2], fine)
        # one by one: a mask is the same, bit for bit, whichever others are computed
        masks = [
            torch.einsum("nc,nchw->nhw", head(mask_tokens[:, index]), upscaled) for index, head in enumerate(heads)
        ]
        logits = torch.stack(masks, dim=1)
        quality = self.iou_prediction_head(tokens[:, 1]).sigmoid()[:, kept]
        return logits, quality, mask_tokens, self.pred_obj_score_head(tokens[:, 0])[:, 0]

    def _upscaled(self, pixels: Tensor, height: int, fine: Sequence[Tensor]) -> Tensor:
        """Makes `[N, C / 8, 4h, 4w]` of pixels `[N, h * w, C]` and the finer maps."""
        first, norm, activation, second, last_activation = self.output_upscaling
        finest, finer = fine
        embedding = pixels.transpose(1, 2).unflatten(2, (height, -1))
        embedding = activation(norm(first(embedding) + finer))
        upscaled: Tensor = last_activation(second(embedding) + finest)
        return upscaled

    def where_present(self, logits: Tensor, score: Tensor) -> Tensor:
        """Lets the object score speak; logits `[N, 4h, 4w]`, score `[N]`."""
        score = score[:, None, None]
        if self.training:
            return logit_of_both(score, logits)
        return torch.where(score > 0, logits, ABSENT)

    def own_tokens(self, sparse: Tensor, mask: Tensor | None) -> Tensor:
        """Puts the object score's token first; see `MaskDecoder.own_tokens`."""
        score = self.obj_score_token.weight.expand(len(sparse), -1, -1)
        return torch.cat([score, super().own_tokens(sparse, mask)], dim=1)

    def freeze_unused(self) -> None:
        """Freezes what the chosen masks never reach; see `MaskDecoder.freeze_unused`."""
        self.iou_prediction_head.requires_grad_(False)
        unused = self.output_hypernetworks_mlps[:1] if self.masks == "best" else self.output_hypernetworks_mlps[1:]
        unused.requires_grad_(False)


def _stability(logits: Tensor) -> Tensor:
    """Intersection over union of a mask with a higher and a lower threshold: `[N, h, w]` to float `[N]`, 1 if empty."""
    inner, outer = ((logits > bound).flatten(1).sum(1).float() for bound in (_MARGIN, -_MARGIN))
    return torch.where(outer > 0, inner / outer, 1.0)
