"""Scores of single images, by the rule of each evaluator in use; they differ in the last digits, and at thresholds.

Each rule is a function of samples; none of them is "the" P@X or IoU, so each is named after whose it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

RunLengths = dict[str, Any]
"""COCO's compressed run lengths `{"size": [H, W], "counts": bytes}`: a few hundred bytes for a mask."""

THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
_AVERAGE_PRECISIONS = ("map", "map_50", "map_75", "map_small", "map_medium", "map_large")
_NO_TARGET_THRESHOLDS = (0.7, 0.8, 0.9)


@dataclass(frozen=True, eq=False)
class ImageSample:
    """One expression about one image (or one annotated frame).

    Attributes:
        sample_id: Name in tables.
        mask: The ground truth; empty where there is no target.
        predictions: The masks of Q queries.
        scores: float64 `[Q]`.
        no_target: Whether the model says that there is no target, apart from its masks.
    """

    sample_id: str
    mask: RunLengths
    predictions: Sequence[RunLengths]
    scores: np.ndarray
    no_target: bool = False

    @property
    def best(self) -> int:
        """Position of the highest score; of equal ones the last, as a stable sort leaves it."""
        return int(np.argsort(self.scores, kind="stable")[-1])

    @property
    def has_target(self) -> bool:
        """Whether the ground truth has a pixel."""
        return _area(self.mask) > 0


def encode(mask: np.ndarray) -> RunLengths:
    """Compresses a mask, bool `[H, W]`."""
    from pycocotools import mask as run_lengths

    encoded: RunLengths = run_lengths.encode(np.asfortranarray(mask, np.uint8))
    return encoded


def decode(mask: RunLengths) -> np.ndarray:
    """Gives the mask, bool `[H, W]`, of compressed run lengths."""
    from pycocotools import mask as run_lengths

    return np.asarray(run_lengths.decode(mask)).astype(bool)


def overlap(samples: Sequence[ImageSample]) -> np.ndarray:
    """Counts intersection and union of the best mask of each sample with its ground truth: int64 `[S, 2]`."""
    from pycocotools import mask as run_lengths

    pairs = [(sample.predictions[sample.best], sample.mask) for sample in samples]
    intersections = [_area(run_lengths.merge(list(pair), intersect=True)) for pair in pairs]
    unions = [_area(best) + _area(mask) - both for (best, mask), both in zip(pairs, intersections, strict=True)]
    return np.array([intersections, unions], np.int64).T.reshape(-1, 2)


def a2d_scores(samples: Sequence[ImageSample]) -> dict[str, float]:
    """A2D-Sentences and JHMDB-Sentences, as MTTR and ReferFormer score them.

    IoU is a float32 quotient of counts with 1e-6 added to both, compared with `>`: 60/100 passes 0.6, but 50/100 does
    not pass 0.5. Mean average precision has two conventions that differ by about three points: over the masks of all
    queries (MTTR, ReferFormer, SOC, ReferDINO) and over the best mask alone (OnlineRefer).
    """
    counts = overlap(samples)
    intersection, union = counts.astype(np.float32).T
    epsilon = np.float32(1e-6)
    iou = ((intersection + epsilon) / (union + epsilon)).astype(np.float64)
    return {
        **{f"precision_at_{threshold}": float((iou > threshold).mean()) for threshold in THRESHOLDS},
        "overall_iou": float(counts[:, 0].sum() / counts[:, 1].sum()),
        "mean_iou": float(iou.mean()),
        **{f"{name}_all_queries": value for name, value in _average_precision(samples).items()},
        **{f"{name}_best_query": value for name, value in _average_precision(_only_best(samples)).items()},
    }


def refcoco_scores(samples: Sequence[ImageSample]) -> dict[str, float]:
    """RefCOCO as LAVT scores it: IoU in float64, 0 where the union is empty, compared with `>=`."""
    intersection, union = overlap(samples).T
    iou = np.where(union == 0, 0.0, intersection / np.maximum(union, 1))
    return {
        "overall_iou": float(intersection.sum() / union.sum()),
        "mean_iou": float(iou.mean()),
        **{f"precision_at_{threshold}": float((iou >= threshold).mean()) for threshold in THRESHOLDS},
    }


def refcoco_cris_scores(samples: Sequence[ImageSample]) -> dict[str, float]:
    """RefCOCO as CRIS scores it: 1e-6 in the denominator, compared with `>` to thresholds in float32, torch's mean."""
    import torch

    intersection, union = overlap(samples).T
    iou = intersection / (union + 1e-6)
    thresholds = np.float32(0.5) + np.float32(0.1) * np.arange(5, dtype=np.float32)
    precisions = [float(np.float32((iou > np.float64(threshold)).mean())) for threshold in thresholds]
    return {
        "mean_iou": torch.from_numpy(iou).mean().item(),
        **{f"precision_at_{name}": value for name, value in zip(THRESHOLDS, precisions, strict=True)},
    }


def grefcoco_scores(samples: Sequence[ImageSample]) -> dict[str, float]:
    """gRefCOCO as ReLA scores it; whether there is no target is the model's own word, not an empty mask.

    A sample without target that is said to have none has IoU 1 and adds nothing to the sums; one that is not adds its
    predicted area to the union. A target said to be absent loses its intersection. N-acc and T-acc are the accuracies
    on samples without and with a target.

    ReLA prints gIoU, cIoU and P@X in percent; they are computed in its order, since another ends in other last bits.
    """
    counts = overlap(samples)
    said_none = np.array([sample.no_target for sample in samples])
    has_target = np.array([sample.has_target for sample in samples])
    intersection = np.where(said_none, 0, counts[:, 0])
    union = np.where(said_none & ~has_target, 0, counts[:, 1])
    iou = np.where(has_target, intersection / np.maximum(union, 1), said_none.astype(float))
    targeted = iou[has_target]
    return {
        "giou": float(np.cumsum(iou)[-1]) / len(iou),  # added one by one: `sum` compensates, `np.sum` adds in pairs
        "ciou": _of_percent(_percentage(int(intersection.sum()), int(union.sum()))),
        "n_acc": _share(said_none[~has_target]),
        "t_acc": _share(~said_none[has_target]),
        **{
            f"precision_at_{threshold}": _of_percent(_percentage(int((targeted >= threshold).sum()), len(targeted)))
            for threshold in _NO_TARGET_THRESHOLDS
        },
    }


def reasoning_scores(samples: Sequence[ImageSample]) -> dict[str, float]:
    """Reasoning segmentation as LISA and its family score it."""
    intersection, union = overlap(samples).T
    iou = np.where(union == 0, 1.0, intersection / (union + 1e-5))
    return {"giou": float(iou.mean()), "ciou": float(intersection.sum() / (union.sum() + 1e-10))}


def _percentage(part: int, whole: int) -> float:
    return part * 100.0 / whole if whole else float("nan")


def _of_percent(percentage: float) -> float:
    """The number in 0..1 whose hundredfold is a percentage, or is next to it where floats leave it out."""
    share = percentage / 100
    return min(
        (share, math.nextafter(share, 0), math.nextafter(share, 1)), key=lambda near: abs(100 * near - percentage)
    )


def _share(flags: np.ndarray) -> float:
    return float(flags.mean()) if len(flags) else float("nan")


def _area(mask: RunLengths) -> int:
    from pycocotools import mask as run_lengths

    return int(run_lengths.area(mask))


def _only_best(samples: Sequence[ImageSample]) -> list[ImageSample]:
    return [
        replace(sample, predictions=[sample.predictions[sample.best]], scores=sample.scores[[sample.best]])
        for sample in samples
    ]


def _average_precision(samples: Sequence[ImageSample]) -> dict[str, float]:
    """COCO's mean average precision of masks, one category; -1 for a range of areas without any."""
    import torch
    from torchmetrics.detection import MeanAveragePrecision

    # torchmetrics' own thresholds are float32: IoUs that sit exactly on one would fall on the other side.
    metric = MeanAveragePrecision(
        iou_type="segm",
        iou_thresholds=np.linspace(0.5, 0.95, 10).tolist(),
        rec_thresholds=np.linspace(0, 1, 101).tolist(),
        sync_on_compute=False,  # one process has all the samples; the others would be waited for
    )
    for sample in samples:
        queries = len(sample.scores)
        predicted: dict[str, Any] = {
            "masks": torch.from_numpy(np.stack([decode(mask) for mask in sample.predictions])),
            "scores": torch.from_numpy(sample.scores),
            "labels": torch.zeros(queries, dtype=torch.int64),
        }
        true = {"masks": torch.from_numpy(decode(sample.mask)[None]), "labels": torch.zeros(1, dtype=torch.int64)}
        metric.update([predicted], [true])
    values = metric.compute()
    return {name: float(values[name]) for name in _AVERAGE_PRECISIONS}
