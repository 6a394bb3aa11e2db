"""Counts pixels of label maps, where each object of a frame has its own number, in memory flat in video length."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.counts import COUNTS, count_labels, count_pixels
from refsam_zoo.evaluation.mask_archive import MaskArchive

VOID = 255
"""The label of pixels that belong to no object and not to the background either."""

_FRAMES_AT_ONCE = 8
_FEW_LABELS = 16


@dataclass(frozen=True)
class MergedExpressions:
    """Label maps made of one binary mask per expression, as the official inference on Ref-DAVIS17 merges them.

    Attributes:
        masks: `<video>/<expression>/<frame>`, every pixel above 0 in the target.
        files: `<video>/<frame>` -> the masks that make this map, in the order of the objects.
    """

    masks: MaskArchive
    files: Mapping[str, Sequence[str]]

    @property
    def label(self) -> str:
        """What to call it in an error."""
        return self.masks.label

    def read(self, name: str) -> np.ndarray:
        """Merges a map, uint8 `[H, W]`: 0 for background, k for the k-th object.

        Raises:
            InputError: A mask cannot be read, or they differ in size.
        """
        parts = [self.masks.read(part) for part in self.files[name]]
        if len({part.shape for part in parts}) > 1:
            raise InputError(f"'{self.label}' has masks of different sizes for {name}: {', '.join(self.files[name])}")
        return merge_scores(np.stack(parts) > 0)


def merge_scores(scores: np.ndarray, threshold: float = 0.5, background: float = 0.1) -> np.ndarray:
    """Merges what was found for each object into label maps, as the official inference on Ref-DAVIS17 does.

    Scores below the threshold become 0; the highest one wins, of equal ones the first, unless it is below that of the
    background. ReferFormer merges probabilities in this way; RefSAM merges logits with a threshold of 0.

    Args:
        scores: bool or float `[N, ..., H, W]`, one per object.
        threshold: Lowest score that counts.
        background: Score of the background.

    Returns:
        uint8 `[..., H, W]`: 0 for background, k for the k-th object.
    """
    kept = np.where(scores < threshold, 0.0, scores)
    return np.where(kept.max(axis=0) > background, kept.argmax(axis=0) + 1, 0).astype(np.uint8)


@dataclass(frozen=True)
class LabelVideo:
    """True and predicted label maps of one video.

    Attributes:
        name: Name of the video: the folder of its maps.
        frames: Names of the frames to score, in temporal order.
        truth: Where the ground truth is.
        predictions: Where the predictions are; a map that is missing counts as background.
    """

    name: str
    frames: Sequence[str]
    truth: MaskArchive
    predictions: MaskArchive | MergedExpressions

    def read_truth(self, frame: str) -> np.ndarray:
        """Reads one frame's true labels, uint8 `[H, W]`."""
        return self.truth.read(f"{self.name}/{frame}")

    def chunks(self) -> Iterator[tuple[list[np.ndarray], list[np.ndarray]]]:
        """Yields predicted and true maps of a few frames at a time, each map uint8 `[H, W]`.

        Raises:
            InputError: A map has another size than its ground truth, or than the frame before.
        """
        for start in range(0, len(self.frames), _FRAMES_AT_ONCE):
            pairs = [self._read_pair(frame) for frame in self.frames[start : start + _FRAMES_AT_ONCE]]
            sizes = {truth.shape for _, truth in pairs}
            if len(sizes) > 1:
                raise InputError(f"'{self.truth.label}/{self.name}' has frames of different sizes")
            yield [predicted for predicted, _ in pairs], [true for _, true in pairs]

    def _read_pair(self, frame: str) -> tuple[np.ndarray, np.ndarray]:
        truth, name = self.read_truth(frame), f"{self.name}/{frame}"
        if name not in self.predictions.files:
            return np.zeros_like(truth), truth
        predicted = self.predictions.read(name)
        if predicted.shape != truth.shape:
            sizes = " but the ground truth ".join(
                f"{height}x{width}" for height, width in (predicted.shape, truth.shape)
            )
            raise InputError(f"'{self.predictions.label}/{name}.png' is {sizes}")
        return predicted, truth


def present_labels(maps: Iterable[np.ndarray]) -> list[int]:
    """Lists the labels that may occur in some maps, ascending, without 0; of low ones also some that do not."""
    maps = list(maps)
    highest = max(int(labels.max(initial=0)) for labels in maps)
    if highest <= _FEW_LABELS:
        return list(range(1, highest + 1))
    return sorted({*(label for labels in maps for label in np.unique(labels).tolist())} - {0})


def count_video(video: LabelVideo) -> dict[int, np.ndarray]:
    """Counts the pixels of every label that occurs, each against the same label of the ground truth.

    Returns:
        Label -> int64 `[T, 7]`, see `COUNTS`; zeros where a label does not occur.
    """
    counts: dict[int, np.ndarray] = {}
    position = 0
    for predicted, true in video.chunks():
        labels = present_labels([*predicted, *true])
        for label, found in zip(labels, count_labels(predicted, true, labels), strict=True):
            rows = counts.setdefault(label, np.zeros((len(video.frames), len(COUNTS)), np.int64))
            rows[position : position + len(true)] = found
        position += len(true)
    return counts


def count_pairs(video: LabelVideo, predicted_labels: Sequence[int], true_labels: Sequence[int]) -> np.ndarray:
    """Counts the pixels of each of P predicted labels against each of G true ones, void pixels left out.

    Returns:
        int64 `[P, G, T, 7]`, see `COUNTS`.
    """
    counts = np.zeros((len(predicted_labels), len(true_labels), len(video.frames), len(COUNTS)), np.int64)
    position = 0
    for predicted_maps, true_maps in video.chunks():
        predicted, true = np.stack(predicted_maps), np.stack(true_maps)
        frames = slice(position, position + len(true))
        for row, predicted_label in enumerate(predicted_labels):
            for column, true_label in enumerate(true_labels):
                masks = predicted == predicted_label, true == true_label
                counts[row, column, frames] = count_pixels(*masks, true == VOID)
        position += len(true)
    return counts
