"""From words to prompts: Cross-Modal MLP, sparse prompts and (Hierarchical) Dense Attention (RefSAM, section 3)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.model.embedding_width import FollowsEmbedding
from refsam_zoo.number_types import Depth, Probability, Width
from refsam_zoo.recipes import Made
from refsam_zoo.registry import ModelCard, Registry
from refsam_zoo.types import ImageFeatures, TextFeatures


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


SPARSE_PROMPTS: Registry[SparsePrompt] = Registry("sparse prompt")


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


DENSE_PROMPTS: Registry[DensePrompt] = Registry("dense prompt")


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
