"""Where RefSAM has the features of frames and sentences from: computed each time, or a cache of the same methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from refsam_zoo.model.image_encoders import ImageEncoder
from refsam_zoo.model.preprocessing import preprocess
from refsam_zoo.model.text_encoders import TextEncoder
from refsam_zoo.types import ImageFeatures, TextFeatures, Tokens, to_device


class FeatureSource(Protocol):
    """Gives the features of an encoder, on its device; frames and tokens may be on another one."""

    def images(self, encoder: ImageEncoder, frames: Tensor, sizes: Sequence[tuple[int, int]]) -> ImageFeatures:
        """Gives the features of frames.

        Args:
            encoder: The encoder.
            frames: RGB, uint8 `[B, 3, H, W]`, padded at the bottom and right.
            sizes: B pairs of height and width before padding.
        """
        ...

    def text(self, encoder: TextEncoder, tokens: Tokens) -> TextFeatures:
        """Gives the features of N tokenised sentences, padded on the right."""
        ...


class ComputedFeatures:
    """Runs the encoders."""

    def images(self, encoder: ImageEncoder, frames: Tensor, sizes: Sequence[tuple[int, int]]) -> ImageFeatures:
        """Preprocesses as the encoder wants it and encodes; see `FeatureSource.images`."""
        weight = next(encoder.parameters())
        frames = to_device(frames, weight.device)
        images = preprocess(frames, sizes, encoder.image_size, encoder.pixel_mean, encoder.pixel_std)
        return encoder(images.to(weight.dtype))

    def text(self, encoder: TextEncoder, tokens: Tokens) -> TextFeatures:
        """Encodes; see `FeatureSource.text`."""
        device = next(encoder.parameters()).device
        return encoder(Tokens(*(to_device(part, device) for part in tokens)))
