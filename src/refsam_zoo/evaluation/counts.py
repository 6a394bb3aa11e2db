"""Region similarity J and contour accuracy F from exact pixel counts.

The definitions are those of the DAVIS evaluators (Perazzi et al., CVPR 2016; the davis2017 evaluator, vos-benchmark,
MeViS and Ref-DAVIS scripts compute the same). Counts are int64 and the ratios float64, taken in the evaluators' order
of operations, so the values are equal to theirs to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from refsam_zoo.evaluation import bit_planes

COUNTS = (
    "intersection",
    "predicted_area",
    "true_area",
    "predicted_boundary",
    "true_boundary",
    "matched_predicted_boundary",
    "matched_true_boundary",
)
"""Meaning of the last axis of every array of counts, in pixels of one frame."""

BOUNDARY_TOLERANCE = 0.008
"""How far a matched boundary may be off, as a fraction of the image diagonal."""

_FRAMES_AT_ONCE = 8


def boundary_radius(height: int, width: int) -> int:
    """Gives the tolerance in pixels: 8 for 480 x 854, 18 for 1080 x 1920."""
    return math.ceil(BOUNDARY_TOLERANCE * np.linalg.norm((height, width)))


def count_pixels(predictions: np.ndarray, masks: np.ndarray, void: np.ndarray | None = None) -> np.ndarray:
    """Counts everything that J and F need.

    Args:
        predictions: bool `[T, H, W]`, at the size of the ground truth.
        masks: bool `[T, H, W]`, the ground truth.
        void: bool `[T, H, W]`, pixels to be ignored: both masks are cleared there before anything else.

    Returns:
        int64 `[T, 7]`, see `COUNTS`.

    Raises:
        ValueError: The shapes differ.
    """
    if predictions.shape != masks.shape or (void is not None and void.shape != masks.shape):
        raise ValueError(f"predictions {predictions.shape} and masks {masks.shape} must have one shape [T, H, W]")
    radius = boundary_radius(*masks.shape[1:])
    counts = np.zeros((len(masks), len(COUNTS)), np.int64)
    for start in range(0, len(masks), _FRAMES_AT_ONCE):
        chunk = slice(start, start + _FRAMES_AT_ONCE)
        maps = (predictions[chunk], masks[chunk])
        kept = maps if void is None else (part & ~void[chunk] for part in maps)
        predicted, true = (bit_planes.pack(part, radius) for part in kept)
        counts[chunk] = _count_planes(predicted, true, masks.shape[2], radius)
    return counts


def count_labels(
    predicted: Sequence[np.ndarray], true: Sequence[np.ndarray], labels: Sequence[int]
) -> list[np.ndarray]:
    """Counts the pixels of each of some labels against the same label of the ground truth, a few frames at a time.

    Args:
        predicted: T maps, uint8 `[H, W]`.
        true: T maps, uint8 `[H, W]`.
        labels: The labels.

    Returns:
        For each label int64 `[T, 7]`, see `COUNTS`.
    """
    height, width = true[0].shape
    radius = boundary_radius(height, width)
    maps, true_maps = np.stack(predicted), np.stack(true)
    return [
        _count_planes(
            bit_planes.pack(maps == label, radius), bit_planes.pack(true_maps == label, radius), width, radius
        )
        for label in labels
    ]


def region_similarity(counts: np.ndarray) -> np.ndarray:
    """J: intersection over union; 1 where both masks are empty.

    Args:
        counts: int64 `[..., 7]`.

    Returns:
        float64 `[...]` in 0..1.
    """
    intersection = counts[..., 0]
    union = counts[..., 1] + counts[..., 2] - intersection
    return np.where(union == 0, 1.0, intersection / np.maximum(union, 1))


def contour_accuracy(counts: np.ndarray) -> np.ndarray:
    """F: harmonic mean of boundary precision and recall; 1 where both boundaries are empty, 0 where one is.

    A mask that fills the frame has no boundary, so against an empty one F is 1 while J is 0.

    Args:
        counts: int64 `[..., 7]`.

    Returns:
        float64 `[...]` in 0..1.
    """
    predicted, true = counts[..., 3], counts[..., 4]
    precision = np.where(predicted == 0, 1.0, counts[..., 5] / np.maximum(predicted, 1))
    recall = np.where(true == 0, 1.0, counts[..., 6] / np.maximum(true, 1))
    total = np.where(precision + recall == 0, 1.0, precision + recall)
    return np.where((predicted == 0) == (true == 0), 2 * precision * recall / total, 0.0)


def _count_planes(predicted: np.ndarray, true: np.ndarray, width: int, radius: int) -> np.ndarray:
    """Counts a few frames, given as bit planes with `radius` zero bits after each row: int64 `[T, 7]`."""
    counts = np.zeros((len(true), len(COUNTS)), np.int64)
    # A boundary reaches one pixel further to the top left than its mask; below, one empty row ends a mask.
    window = bit_planes.bounding_window(predicted | true)
    if window is None:
        return counts
    window = window.grown(rows=1, words=1)
    predicted, true = (bit_planes.crop(planes, window, radius) for planes in (predicted, true))
    counts[:, 0] = bit_planes.count(predicted & true)
    counts[:, 1] = bit_planes.count(predicted)
    counts[:, 2] = bit_planes.count(true)
    inner_columns = bit_planes.crop(_inner_columns(width, radius), window._replace(top=0, bottom=1), radius)
    predicted, true = (bit_planes.boundary(planes, inner_columns) for planes in (predicted, true))
    counts[:, 3] = bit_planes.count(predicted)
    counts[:, 4] = bit_planes.count(true)
    counts[:, 5:] = _count_matches(predicted, true, radius)
    return counts


@lru_cache
def _inner_columns(width: int, radius: int) -> np.ndarray:
    """Marks the columns that have an east neighbour: uint64 `[1, 1, words]`."""
    columns = np.arange(width) < width - 1
    return bit_planes.pack(columns[None, None], radius)


def _count_matches(predicted: np.ndarray, true: np.ndarray, radius: int) -> np.ndarray:
    """Counts the pixels of each of two boundaries that lie within a radius of the other: int64 `[T, 2]`."""
    counts = np.zeros((len(true), 2), np.int64)
    windows = [bit_planes.bounding_window(planes) for planes in (predicted, true)]
    if windows[0] is None or windows[1] is None:
        return counts
    reach = -(-radius // bit_planes.WORD)
    window = windows[0].grown(radius, reach).intersection(windows[1].grown(radius, reach))
    if window is None:
        return counts
    predicted, true = (bit_planes.crop(planes, window, radius) for planes in (predicted, true))
    counts[:, 0] = bit_planes.count(predicted & bit_planes.dilate(true, radius))
    counts[:, 1] = bit_planes.count(true & bit_planes.dilate(predicted, radius))
    return counts
