"""Whether a target gets a mask in the frames that show it and none in the others: counted in frames, not in pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from refsam_zoo.evaluation.counts import COUNTS


class Presence(NamedTuple):
    """In how many frames the target of an expression is, and in how many it was found.

    Attributes:
        frames: Number of frames scored.
        true: Those whose ground truth has any pixel.
        predicted: Those whose prediction has any pixel.
        both: Those where both have.
    """

    frames: int
    true: int
    predicted: int
    both: int

    @classmethod
    def of(cls, counts: np.ndarray) -> Presence:
        """Counts the frames of one expression, int64 `[T, 7]` of pixels, see `COUNTS`."""
        predicted, true = (counts[:, COUNTS.index(name)] > 0 for name in ("predicted_area", "true_area"))
        return cls(len(counts), int(true.sum()), int(predicted.sum()), int((predicted & true).sum()))

    @property
    def either(self) -> int:
        """Frames where the target is or was found."""
        return self.true + self.predicted - self.both

    @property
    def accuracy(self) -> float:
        """Share of the frames where a mask is there exactly if the target is, 0..1."""
        return (self.frames - self.either + self.both) / self.frames if self.frames else math.nan

    @property
    def absent_with_mask(self) -> float:
        """Share of the frames without the target that got a mask, 0..1; not a number where it is always there."""
        absent = self.frames - self.true
        return (self.predicted - self.both) / absent if absent else math.nan


def presence_scores(parts: Iterable[Presence]) -> dict[str, float]:
    """`presence` and `absent_with_mask` over the frames of all expressions together, each frame counted once."""
    total = Presence(*(sum(column) for column in zip((0, 0, 0, 0), *parts, strict=True)))
    return {"presence": total.accuracy, "absent_with_mask": total.absent_with_mask}
