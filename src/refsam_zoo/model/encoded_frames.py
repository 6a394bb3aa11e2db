"""Frames as the parts behind the image encoder see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass
class EncodedFrames:
    """B frames as the decoder sees them; computed once, whatever the number of sentences.

    Attributes:
        image: Image embedding of unit length per pixel, float `[B, 256, h, w]`.
        maps: The dense prompt's image half, each float `[B, 256, h, w]`.
        positions: The mask decoder's position terms, the same for all frames.
        raw: The embedding before it was brought to unit length, for a decoder and a tracker that were trained with it;
            None where they read `image`.
        fine: What the mask decoder made of the encoder's finer maps, each float `[B, C, h', w']`.
    """

    image: Tensor
    maps: list[Tensor]
    positions: list[Tensor]
    raw: Tensor | None = None
    fine: Sequence[Tensor] = ()

    @property
    def embedding(self) -> Tensor:
        """What decoder and tracker read, float `[B, 256, h, w]`."""
        return self.image if self.raw is None else self.raw

    def select(self, index: Tensor | slice) -> EncodedFrames:
        """Picks frames, for instance one per expression."""
        raw = None if self.raw is None else self.raw[index]
        maps, fine = [part[index] for part in self.maps], [part[index] for part in self.fine]
        return EncodedFrames(self.image[index], maps, self.positions, raw, fine)

    def repeat(self, count: int) -> EncodedFrames:
        """Gives a single frame for `count` expressions, without copying it."""

        def expanded(part: Tensor) -> Tensor:
            return part.expand(count, -1, -1, -1)

        raw = None if self.raw is None else expanded(self.raw)
        maps, fine = [expanded(part) for part in self.maps], [expanded(part) for part in self.fine]
        return EncodedFrames(expanded(self.image), maps, self.positions, raw, fine)
