"""Do scores keep their word? How similar to the truth masks of a score are, bin by bin (arXiv 1706.04599)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

BINS = 10


class ScoredFrames(NamedTuple):
    """Frames with a score, a row for each sentence and frame.

    Attributes:
        scores: float64 `[K]` in 0..1.
        absent: Whether the system sees no target, bool `[K]`.
        truth: What the score should be: the region similarity J of the mask, or where there is none, 1 where the target
            is in the frame and 0 where it is not. float64 `[K]`.
    """

    scores: np.ndarray
    absent: np.ndarray
    truth: np.ndarray

    def where(self, rows: np.ndarray) -> ScoredFrames:
        """Some of them, by a bool `[K]`."""
        return ScoredFrames(*(part[rows] for part in self))


@dataclass(frozen=True)
class Bin:
    """Frames whose scores are near each other.

    Attributes:
        frames: How many.
        score: Mean score, 0..1.
        truth: Mean of what it should have been, 0..1.
    """

    frames: int
    score: float
    truth: float


@dataclass(frozen=True)
class Reliability:
    """How far scores are from what they should be.

    Attributes:
        frames: Frames with a score.
        error: Expected calibration error: mean distance of a bin's scores from its truth, 0..1, each frame counted
            once; None without frames.
        bins: Those that are not empty, by score.
    """

    frames: int
    error: float | None
    bins: tuple[Bin, ...]

    @classmethod
    def of(cls, frames: ScoredFrames) -> Reliability:
        """Sorts frames into `BINS` bins of equal width."""
        numbers = np.minimum((frames.scores * BINS).astype(int), BINS - 1)
        bins = []
        for number in np.unique(numbers):
            scores, _, truth = frames.where(numbers == number)
            bins.append(Bin(len(scores), float(scores.mean()), float(truth.mean())))
        count = len(numbers)
        error = sum(part.frames * abs(part.score - part.truth) for part in bins) / count if count else None
        return cls(count, error, tuple(bins))


def by_presence(frames: ScoredFrames) -> dict[str, Reliability]:
    """Tells masks from empty ones, whose scores say something else."""
    return {
        "found": Reliability.of(frames.where(~frames.absent)),
        "absent": Reliability.of(frames.where(frames.absent)),
    }


ScoredSubsets = Mapping[str, Mapping[str, ScoredFrames]]
"""Name of a subset -> name of a kind of scores, such as `raw` -> its frames."""


def write_reliability(subsets: ScoredSubsets, path: Path) -> None:
    """Writes errors and bins as JSON."""
    content = {
        subset: {
            kind: {part: asdict(found) for part, found in by_presence(frames).items()} for kind, frames in kinds.items()
        }
        for subset, kinds in subsets.items()
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
