"""Dense prompts of RefSAM and its ablations: (Hierarchical) Dense Attention (section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.prompts.base import DENSE_PROMPTS, DensePrompt
from refsam_zoo.number_types import Width
from refsam_zoo.registry import ModelCard
from refsam_zoo.types import ImageFeatures


class PixelWordAttention(nn.Module):
    """softmax(P K^T / 16) K joined with P by a 1x1 convolution: one Dense Attention over one image map.

    P are unit pixels, K the unit words followed by the unit sentence, so the weights are nearly uniform: the logits
    lie within 1/16 of zero. `temperature` replaces the 16.

    Args:
        width: Channels C of the embedding space; 16 is the root of SAM's 256.
        learn_temperature: Learn the temperature, starting at 0.1, instead of 16.
    """

    def __init__(self, width: int, learn_temperature: bool = False) -> None:
        super().__init__()
        self.width = width
        self.projection = nn.Conv2d(2 * width, width, kernel_size=1)
        self.log_scale = nn.Parameter(torch.tensor(10.0).log()) if learn_temperature else None

    def image_share(self, pixels: Tensor) -> Tensor:
        """The convolution's image half, float `[B, 256, h, w]`."""
        return F.conv2d(pixels, self.projection.weight[:, : self.width], self.projection.bias)

    def forward(self, pixels: Tensor, image_share: Tensor, language: Language) -> Tensor:
        """Attends from every pixel to the words and the sentence; float `[N, 256, h, w]`."""
        keys = torch.cat([language.words, language.sentence.unsqueeze(1)], dim=1)
        mask = F.pad(language.mask, (0, 1), value=True)
        # the convolution's language half is folded into the values: A (K W) instead of (A K) W at every pixel
        values = keys @ self.projection.weight[:, self.width :, 0, 0].t()
        scale = 1 / self.width**0.5 if self.log_scale is None else self.log_scale.exp()
        logits = pixels.flatten(2).transpose(1, 2) @ (keys * scale).transpose(1, 2)
        weights = logits.masked_fill(~mask.unsqueeze(1), -torch.inf).softmax(-1)
        attended = torch.baddbmm(image_share.flatten(2).transpose(1, 2), weights, values)
        return attended.transpose(1, 2).unflatten(2, pixels.shape[-2:])


@DENSE_PROMPTS.register(ModelCard("RefSAM", paper="2307.00997"))
class dense_attention(DensePrompt):
    """Dense Attention (DA): every pixel of the final map attends to the sentence.

    Args:
        width: Channels of the embedding space; None means the image encoder's.
    """

    learn_temperature = False

    def __init__(self, width: Width | None = None) -> None:
        super().__init__()
        self.take_width(width)

    def make_layers(self, width: int) -> None:
        """Makes the attention; see `FollowsEmbedding.make_layers`."""
        self.attention = PixelWordAttention(width, self.learn_temperature)

    def maps(self, image: ImageFeatures) -> list[Tensor]:
        """Prepares the image half; see `DensePrompt.maps`."""
        return [self.attention.image_share(image.final)]

    def forward(self, image: Tensor, maps: list[Tensor], language: Language) -> Tensor:
        """Attends; see `DensePrompt.forward`."""
        return self.attention(image, maps[0], language)


@DENSE_PROMPTS.register(ModelCard("RefSAM", paper="2307.00997"))
class hierarchical_dense_attention(dense_attention):
    """Hierarchical Dense Attention (HDA): a second Dense Attention over the fused intermediate maps, added to DA.

    The paper names the module but its structure was never published; this one (a 1x1 projection per intermediate map,
    summed with the final map, a 3x3 convolution, unit length, its own attention) agrees with the published parameter
    counts.

    Args:
        width: Channels of the embedding space; None means the image encoder's.
    """

    def connect(self, intermediate_widths: tuple[int, ...]) -> None:
        """Makes a lateral projection per intermediate map."""
        assert self.width is not None, "take_width comes first"
        own = self.width
        self.laterals = nn.ModuleList(nn.Conv2d(width, own, 1) for width in intermediate_widths)
        self.fuse = nn.Conv2d(own, own, 3, padding=1)
        self.fused_attention = PixelWordAttention(own, self.learn_temperature)

    def maps(self, image: ImageFeatures) -> list[Tensor]:
        """Fuses the hierarchy; see `DensePrompt.maps`."""
        fused = image.final
        for lateral, tokens in zip(self.laterals, image.intermediate, strict=True):
            side = lateral(tokens.permute(0, 3, 1, 2))
            if side.shape[-2:] != fused.shape[-2:]:
                side = F.interpolate(side, fused.shape[-2:], mode="bilinear", align_corners=False)
            fused = fused + side
        fused = F.normalize(self.fuse(fused), dim=1)
        return [*super().maps(image), fused, self.fused_attention.image_share(fused)]

    def forward(self, image: Tensor, maps: list[Tensor], language: Language) -> Tensor:
        """Attends twice; see `DensePrompt.forward`."""
        share, fused, fused_share = maps
        return self.attention(image, share, language) + self.fused_attention(fused, fused_share, language)


@DENSE_PROMPTS.register(ModelCard("RefSAM, ablation"))
class sentence_sum(DensePrompt):
    """The ablation without attention: the sentence vector added to every pixel of the image embedding."""

    def forward(self, image: Tensor, maps: list[Tensor], language: Language) -> Tensor:
        """Adds; see `DensePrompt.forward`."""
        return image + language.sentence[:, :, None, None]


@DENSE_PROMPTS.register(ModelCard("RefSAM, ablation"))
class no_dense(DensePrompt):
    """The sparse-only ablation: SAM's own "no mask" embedding."""

    def forward(self, image: Tensor, maps: list[Tensor], language: Language) -> None:
        """Gives nothing; see `DensePrompt.forward`."""
