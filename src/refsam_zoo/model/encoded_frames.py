"""Frames as the parts behind the image encoder see them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

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
        seen: What the tracker saw in the frames, a named tuple of tensors `[B, ...]`; None where it looks at none.
    """

    image: Tensor
    maps: list[Tensor]
    positions: list[Tensor]
    raw: Tensor | None = None
    fine: Sequence[Tensor] = ()
    seen: Any = None

    @property
    def embedding(self) -> Tensor:
        """What decoder and tracker read, float `[B, 256, h, w]`."""
        return self.image if self.raw is None else self.raw

    def select(self, index: Tensor | slice) -> EncodedFrames:
        """Picks frames, for instance one per expression."""
        return self._each(lambda part: part[index])

    def repeat(self, count: int) -> EncodedFrames:
        """Gives a single frame for `count` expressions, without copying it."""
        return self._each(lambda part: part.expand(count, *part.shape[1:]))

    def _each(self, change: Callable[[Tensor], Tensor]) -> EncodedFrames:
        raw = None if self.raw is None else change(self.raw)
        seen = None if self.seen is None else type(self.seen)(*map(change, self.seen))
        maps, fine = [change(part) for part in self.maps], [change(part) for part in self.fine]
        return EncodedFrames(change(self.image), maps, self.positions, raw, fine, seen)
