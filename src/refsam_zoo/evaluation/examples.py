"""Frames worth looking at: a few of the worst, of the middling and of the best, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from refsam_zoo.evaluation.counts import contour_accuracy, count_pixels, region_similarity
from refsam_zoo.evaluation.results import ExpressionResult, sample_id
from refsam_zoo.types import Clip

if TYPE_CHECKING:  # masks on disk are scored without PyTorch
    from torch import Tensor

T = TypeVar("T", "Example", ExpressionResult)

_LONGEST_SIDE = 320
_KEPT_EXTREMES = 12
_KEPT_BY_CHANCE = 48


@dataclass(frozen=True, eq=False)
class Example:
    """One frame with one expression.

    Attributes:
        sample: Id of the expression, see `sample_id`.
        video_id: Name of the video.
        frame_name: Name of the frame.
        expression: The sentence.
        jf: J&F of this frame at its original size, 0..1.
        frame: RGB, uint8 `[h, w, 3]`, at most 320 pixels long.
        prediction: bool `[h, w]`.
        mask: bool `[h, w]`, the ground truth.
    """

    sample: int
    video_id: str
    frame_name: str
    expression: str
    jf: float
    frame: np.ndarray
    prediction: np.ndarray
    mask: np.ndarray

    @classmethod
    def of(
        cls,
        sample: int,
        video_id: str,
        frame_name: str,
        expression: str,
        frame: np.ndarray,
        prediction: np.ndarray,
        mask: np.ndarray,
    ) -> Example:
        """Scores a frame and makes it small; frame uint8 `[H, W, 3]`, prediction and mask bool `[H, W]`."""
        counts = count_pixels(prediction[None], mask[None])
        jf = float(region_similarity(counts)[0] + contour_accuracy(counts)[0]) / 2
        height, width = mask.shape
        scale = min(1.0, _LONGEST_SIDE / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small_masks = (
            cv2.resize(array.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
            for array in (prediction, mask)
        )
        small_frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        return cls(sample, video_id, frame_name, expression, jf, small_frame, *small_masks)


def middle_examples(clip: Clip, frames: Tensor, predictions: Tensor, masks: Tensor) -> Iterator[Example]:
    """Makes an example of a clip's middle frame for each of its expressions.

    Args:
        clip: Names and sentences.
        frames: uint8 `[T, 3, H, W]`.
        predictions: bool `[E, T, H, W]`.
        masks: The truth, as `predictions`.
    """
    import torch

    middle = len(frames) // 2
    frame = frames[middle].permute(1, 2, 0).cpu().numpy()
    pairs = torch.stack([predictions[:, middle], masks[:, middle]], dim=1).cpu().numpy()
    for referral, expression, (prediction, mask) in zip(clip.referrals, clip.expressions, pairs, strict=True):
        sample = sample_id(referral.video_id, referral.expression_id)
        name = clip.frame_names[middle]
        yield Example.of(sample, referral.video_id, name, expression, frame, prediction, mask)


class ExampleKeeper:
    """Keeps candidates while a data set goes by: the extremes, and a sample by chance for the middle.

    Which ones are kept depends on the examples alone, not on their order or on the process that saw them.
    """

    def __init__(self) -> None:
        self.examples: list[Example] = []

    def add(self, examples: Iterable[Example]) -> None:
        """Takes more candidates. Frames on which there is nothing to see and nothing predicted are left out."""
        self.examples += (example for example in examples if example.mask.any() or example.prediction.any())
        if len(self.examples) > 4 * (_KEPT_EXTREMES + _KEPT_BY_CHANCE):
            self._prune()

    def worst_median_best(self, count: int) -> list[tuple[str, list[Example]]]:
        """Chooses at most `count` examples of each sort, from different videos where there are enough."""
        self._prune()
        if not self.examples:
            return []
        ranked = sorted(self.examples, key=_rank)
        median = np.median([example.jf for example in sorted(self.examples, key=_chance)[:_KEPT_BY_CHANCE]])
        middling = sorted(ranked, key=lambda example: abs(example.jf - median))
        orders = {"worst": ranked, "median": middling, "best": ranked[::-1]}
        return [(name, from_different_videos(order)[:count]) for name, order in orders.items()]

    def worst(self) -> list[Example]:
        """Chooses the twelve worst examples, from different videos where there are enough."""
        self._prune()
        return from_different_videos(sorted(self.examples, key=_rank)[:_KEPT_EXTREMES])

    def _prune(self) -> None:
        unique = {(example.sample, example.frame_name): example for example in self.examples}.values()
        ranked = sorted(unique, key=_rank)
        by_chance = sorted(unique, key=_chance)[:_KEPT_BY_CHANCE]
        kept = [*ranked[:_KEPT_EXTREMES], *ranked[-_KEPT_EXTREMES:], *by_chance]
        self.examples = list({(example.sample, example.frame_name): example for example in kept}.values())


def _rank(example: Example) -> tuple[float, int, str]:
    return example.jf, example.sample, example.frame_name


def _chance(example: Example) -> int:
    """A throw of dice that every process repeats."""
    return sample_id(str(example.sample), example.frame_name)


def from_different_videos(examples: Sequence[T]) -> list[T]:
    """Puts the first example of each video before all second ones."""
    seen: set[str] = set()
    first: list[T] = []
    later: list[T] = []
    for example in examples:
        (later if example.video_id in seen else first).append(example)
        seen.add(example.video_id)
    return first + later
