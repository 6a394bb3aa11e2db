"""The contract of mask decoders: SAM's, from the segment_anything package, on padded batches and with a track token."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.errors import InputError
from refsam_zoo.model.embedding_width import FollowsEmbedding
from refsam_zoo.model.mask_decoders.two_way import position_terms, strips, transform
from refsam_zoo.model.sam_layers import MaskDecoder as SamMaskDecoder
from refsam_zoo.model.sam_layers import TwoWayTransformer
from refsam_zoo.number_types import Width
from refsam_zoo.recipes import Made
from refsam_zoo.registry import Registry
from refsam_zoo.weights.files import StateDict, load_state_dict, select_prefix

_HEADS = 8
_WIDTH_STEP = 2 * _HEADS  # between tokens and image the attention works on half the width


class Decoded(NamedTuple):
    """What the decoder gives for N prompts.

    Attributes:
        low_res_logits: float `[N, 4h, 4w]`.
        iou: Predicted mask quality, float `[N]`.
        mask_token: Output of the mask's token, in RefSAM mask token 0, float `[N, 1, 256]`.
        object_score: Logit of the object being in the frame, float `[N]`; None of a decoder that does not tell.
        certain: Whether the masks come from somebody's clicks, boxes or masks.
    """

    low_res_logits: Tensor
    iou: Tensor
    mask_token: Tensor
    object_score: Tensor | None = None
    certain: bool = False


class MaskDecoder(FollowsEmbedding, Made, SamMaskDecoder):
    """SAM's mask decoder with SAM's own layers and key names; the starting point of `variants`.

    What differs from the package's `forward`: a batch may hold sentences of unequal length (padding tokens are masked
    out of every attention), each prompt has its own image, and only the first mask is computed, whose token is returned
    for tracking. The numbers are the same, up to rounding, with fewer and larger products.

    Args:
        mlp_width: Width of the transformer's MLP; SAM's is 2048.
        width: Channels of the embedding space; None means the image encoder's.

    Attributes:
        fresh_parts: Names of submodules that no SAM checkpoint fills.
        always_padded: Whether tokens that say nothing follow the corners of a box too, and stand where nobody points.
        tells_presence: Whether training teaches it to tell if the target is in the frame: `Decoded.object_score`.
    """

    fresh_parts: tuple[str, ...] = ()
    always_padded: bool = False
    tells_presence: bool = False

    def __init__(self, mlp_width: Width = 2048, width: Width | None = None) -> None:
        nn.Module.__init__(self)
        self.mlp_width = mlp_width
        self.take_width(width)

    def make_layers(self, width: int) -> None:
        """Makes SAM's layers; see `FollowsEmbedding.make_layers`."""
        if width % _WIDTH_STEP:
            raise InputError(f"SAM's mask decoder needs an embedding width divisible by {_WIDTH_STEP}, not {width}")
        transformer = TwoWayTransformer(depth=2, embedding_dim=width, num_heads=_HEADS, mlp_dim=self.mlp_width)
        super().__init__(transformer_dim=width, transformer=transformer)

    def position_terms(self, image_pe: Tensor) -> list[Tensor]:
        """Projects the positional encoding, float `[1, 256, h, w]`, once for all prompts; see `two_way`."""
        return position_terms(self.transformer, image_pe)

    def read_checkpoint(self, checkpoint: str | Path) -> tuple[StateDict, StateDict]:
        """Reads from a file of SAM the weights of its prompt encoder and mask decoder, under segment_anything's names.

        Raises:
            InputError: The file is missing or no checkpoint.
        """
        state = load_state_dict(checkpoint)
        return select_prefix(state, "prompt_encoder."), select_prefix(state, "mask_decoder.")

    def connect(self, fine_widths: Sequence[int]) -> None:
        """Learns the channels of the maps finer than the embedding that the encoder gives; SAM's decoder reads none."""

    def fine_maps(self, fine: Sequence[Tensor]) -> Sequence[Tensor]:
        """Projects the finer maps of frames, each float `[B, C, h', w']`, once for all prompts."""
        return ()

    def forward(
        self,
        image: Tensor,
        positions: list[Tensor],
        dense: Tensor,
        sparse: Tensor,
        mask: Tensor | None,
        fine: Sequence[Tensor] = (),
    ) -> Decoded:
        """Predicts one mask per prompt.

        Args:
            image: Image embedding of each prompt, float `[N, 256, h, w]`.
            positions: What `position_terms` gave.
            dense: Dense prompt, float `[N, 256, h, w]`.
            sparse: Prompt tokens, float `[N, L, 256]`.
            mask: bool `[N, L]`, False on padding; None where there is none.
            fine: What `fine_maps` gave, of the frame of each prompt.
        """
        # of the tokens only that of the IoU and the first mask's are read
        pixels, tokens = self.attend(image, positions, dense, sparse, mask, outputs=2)
        kernel = self.output_hypernetworks_mlps[0](tokens[:, 1:])
        logits = _as_image(self._upscale(pixels, kernel), image.shape[-2])[:, 0]
        return Decoded(logits, self.iou_prediction_head(tokens[:, 0])[:, 0], tokens[:, 1:])

    def prompted(
        self,
        image: Tensor,
        positions: list[Tensor],
        dense: Tensor,
        sparse: Tensor,
        fine: Sequence[Tensor] = (),
        ambiguous: bool = False,
    ) -> Decoded:
        """Predicts one mask per prompt of points and boxes, as SAM does it.

        Args:
            image: As of `forward`.
            positions: As of `forward`.
            dense: As of `forward`.
            sparse: As of `forward`, without padding.
            fine: As of `forward`.
            ambiguous: Whether the prompt may mean a thing or its parts; SAM's other masks, which RefSAM does not train,
                are not looked at.
        """
        return MaskDecoder.forward(self, image, positions, dense, sparse, None, fine)

    def each(
        self, image: Tensor, positions: list[Tensor], dense: Tensor, sparse: Tensor, fine: Sequence[Tensor] = ()
    ) -> tuple[Tensor, Tensor]:
        """Predicts a mask of each prompt token, as of the mask's own token: all K in one pass.

        Args:
            image: As of `forward`.
            positions: As of `forward`.
            dense: As of `forward`.
            sparse: Float `[N, K, 256]`, without padding.
            fine: As of `forward`.

        Returns:
            Logits, float `[N, K, 4h, 4w]`, and the tokens behind the transformer, float `[N, K, 256]`.
        """
        own = self.own_tokens(sparse, None).shape[1]
        pixels, tokens = self.attend(image, positions, dense, sparse, None, outputs=own + sparse.shape[1])
        kernels = self.output_hypernetworks_mlps[0](tokens[:, own:])
        return _as_image(self._upscale(pixels, kernels), image.shape[-2]), tokens[:, own:]

    def attend(
        self,
        image: Tensor,
        positions: list[Tensor],
        dense: Tensor,
        sparse: Tensor,
        mask: Tensor | None,
        outputs: int,
    ) -> tuple[Tensor, Tensor]:
        """Runs the transformer; see `forward`.

        Args:
            image: As of `forward`.
            positions: As of `forward`.
            dense: As of `forward`.
            sparse: As of `forward`.
            mask: As of `forward`.
            outputs: How many of the own tokens are read.

        Returns:
            Pixels float `[N, h * w, 256]`, own tokens float `[N, outputs, 256]`.
        """
        own = self.own_tokens(sparse, mask)
        tokens = torch.cat([own, sparse], dim=1)
        if mask is not None:
            mask = F.pad(mask, (own.shape[1], 0), value=True)[:, None, None, :]
        pixels = (image + dense).flatten(2).transpose(1, 2).contiguous()
        tokens, pixels = transform(self.transformer, pixels, positions, tokens, mask, outputs)
        return pixels, tokens

    def _upscale(self, pixels: Tensor, kernels: Tensor) -> Tensor:
        """Makes the logits of 4 x 4 grandchildren per pixel: `[N, P, C]`, kernels `[N, K, C / 8]` to `[N, K, P, 16]`.

        Transposed convolutions of kernel and stride 2 are matrix products that give each pixel four children; all is
        computed on them, channels last, and only the masks are laid out as images.
        """
        first, norm, activation, second, last_activation = self.output_upscaling
        to_children, to_grandchildren = _as_product(first), _as_product(second)
        logits = []
        for strip in strips(pixels):
            children = F.linear(strip, *to_children).unflatten(-1, (4, -1))
            children = activation(F.layer_norm(children, norm.weight.shape, norm.weight, norm.bias, norm.eps))
            grandchildren = last_activation(F.linear(children, *to_grandchildren).unflatten(-1, (4, -1)))
            products = grandchildren.flatten(1, -2) @ kernels.transpose(1, 2)
            logits.append(products.transpose(1, 2).unflatten(2, (-1, 16)))
        return torch.cat(logits, dim=2)

    def own_tokens(self, sparse: Tensor, mask: Tensor | None) -> Tensor:
        """Gives the IoU token and the mask tokens of each prompt, float `[N, 5, 256]`; SAM's are always the same."""
        return torch.cat([self.iou_token.weight, self.mask_tokens.weight]).expand(sparse.shape[0], -1, -1)

    def freeze_unused(self) -> None:
        """Freezes what a single mask never reaches: the IoU head and the other masks' hypernetworks."""
        self.iou_prediction_head.requires_grad_(False)
        self.output_hypernetworks_mlps[1:].requires_grad_(False)


MASK_DECODERS: Registry[MaskDecoder] = Registry("mask decoder", ["mask_decoder"])


def _as_image(logits: Tensor, height: int) -> Tensor:
    """Lays out `[N, K, h * w, 16]` as `[N, K, 4h, 4w]`: row and column of pixel, child and grandchild."""
    grid = logits.unflatten(2, (height, -1)).unflatten(4, (2, 2, 2, 2)).permute(0, 1, 2, 4, 6, 3, 5, 7)
    return grid.flatten(5).flatten(2, 4)


def _as_product(convolution: nn.ConvTranspose2d) -> tuple[Tensor, Tensor]:
    """Gives weight `[4 C', C]` and bias of the product that a convolution of kernel and stride 2 is, row by row."""
    assert convolution.bias is not None
    return convolution.weight.permute(2, 3, 1, 0).flatten(0, 2), convolution.bias.repeat(4)
