"""Dense prompts past the paper: learned temperatures, several heads and a product, words that look at the image."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.errors import InputError
from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.prompts import DENSE_PROMPTS, DensePrompt
from refsam_zoo.model.prompts.dense import dense_attention, hierarchical_dense_attention
from refsam_zoo.number_types import PositiveInt, Width
from refsam_zoo.registry import ModelCard
from refsam_zoo.types import ImageFeatures


@DENSE_PROMPTS.register(ModelCard("refsam-zoo"))
class tempered_dense_attention(dense_attention):
    """Dense Attention with a learned temperature, so that pixels can prefer one word to another.

    Args:
        width: Channels of the embedding space; None means the image encoder's.
    """

    learn_temperature = True


@DENSE_PROMPTS.register(ModelCard("refsam-zoo"))
class tempered_hierarchical_dense_attention(hierarchical_dense_attention):
    """Hierarchical Dense Attention with learned temperatures.

    Args:
        width: Channels of the embedding space; None means the image encoder's.
    """

    learn_temperature = True


@DENSE_PROMPTS.register(ModelCard("refsam-zoo"))
class gated_dense_attention(DensePrompt):
    """Attention with heads from pixels to words whose result multiplies the pixels instead of standing beside them.

    Inputs are brought from unit length to variance one and the output is normalised, so that a decoder trained from
    scratch notices it beside its positional encoding.

    Args:
        width: Channels of the embedding space; None means the image encoder's.
        heads: Attention heads.
    """

    def __init__(self, width: Width | None = None, heads: PositiveInt = 4) -> None:
        super().__init__()
        self.heads = heads
        self.take_width(width)

    def make_layers(self, width: int) -> None:
        """Makes the projections; see `FollowsEmbedding.make_layers`."""
        if width % self.heads:
            raise InputError(f"dense_prompt.heads {self.heads} does not divide the embedding width {width}")
        self.norm = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.gate, self.projection = nn.Linear(width, width), nn.Linear(width, width)
        self.norm_out = nn.LayerNorm(width)

    def maps(self, image: ImageFeatures) -> list[Tensor]:
        """Projects the pixels to queries and gates; see `DensePrompt.maps`."""
        pixels = self.norm(image.final.permute(0, 2, 3, 1) * image.final.shape[1] ** 0.5)
        return [layer(pixels).permute(0, 3, 1, 2) for layer in (self.query, self.gate)]

    def forward(self, image: Tensor, maps: list[Tensor], language: Language) -> Tensor:
        """Attends and multiplies; see `DensePrompt.forward`."""
        query, gate = (part.flatten(2).transpose(1, 2) for part in maps)
        words = torch.cat([language.words, language.sentence.unsqueeze(1)], dim=1) * image.shape[1] ** 0.5
        mask = F.pad(language.mask, (0, 1), value=True)[:, None, None, :]
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (query, self.key(words), self.value(words))
        )
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)
        fused = self.norm_out(self.projection(gate * attended))
        return fused.transpose(1, 2).unflatten(2, image.shape[-2:])


@DENSE_PROMPTS.register(ModelCard("refsam-zoo"))
class two_way_dense_attention(gated_dense_attention):
    """Gated attention to words that have looked at the image first, so that "left of the cross" can mean a place.

    Every pixel knows where it is. Each word and the sentence attend to all pixels, what they see is added to them, and
    the pixels attend to the result as in `gated_dense_attention`, whose product compares their place with that seen.

    Args:
        width: Channels of the embedding space; None means the image encoder's.
        heads: Attention heads, in both directions.
    """

    waves = (0.5, 1.0)
    """Periods of the waves of a place, in turns over half the image."""

    def make_layers(self, width: int) -> None:
        """Makes the projections of both directions; see `FollowsEmbedding.make_layers`."""
        super().make_layers(width)
        self.word_query, self.seen = nn.Linear(width, width), nn.Linear(width, width)
        self.pixel_key, self.pixel_value = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.place = nn.Conv2d(2 + 4 * len(self.waves), width, 1)

    def maps(self, image: ImageFeatures) -> list[Tensor]:
        """Projects the pixels for both directions; see `DensePrompt.maps`."""
        scale = image.final.shape[1] ** 0.5
        placed = image.final + self.place(self._places(image.final)) / scale
        pixels = placed * scale
        one_way = super().maps(ImageFeatures(placed, image.intermediate))
        return [*one_way, self.pixel_key(pixels), self.pixel_value(pixels)]

    def _places(self, image: Tensor) -> Tensor:
        """Columns and rows in -1..1 and waves of them, float `[1, 10, h, w]`."""
        across, down = (
            torch.linspace(-1, 1, steps, device=image.device, dtype=image.dtype) for steps in reversed(image.shape[-2:])
        )
        places = torch.stack(torch.meshgrid(across, down, indexing="xy"))
        waves = [wave(math.pi * turns * places) for turns in self.waves for wave in (torch.sin, torch.cos)]
        return torch.cat([places, *waves]).unsqueeze(0)

    def forward(self, image: Tensor, maps: list[Tensor], language: Language) -> Tensor:
        """Attends there and back; see `DensePrompt.forward`."""
        *one_way, key, value = maps
        words = torch.cat([language.words, language.sentence.unsqueeze(1)], dim=1)
        query = self.word_query(words * image.shape[1] ** 0.5).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key, value = (part.flatten(2).unflatten(1, (self.heads, -1)).transpose(2, 3) for part in (key, value))
        seen = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        words = F.normalize(words + self.seen(seen) / image.shape[1] ** 0.5, dim=-1)
        return super().forward(image, one_way, Language(words[:, :-1], words[:, -1], language.mask))
