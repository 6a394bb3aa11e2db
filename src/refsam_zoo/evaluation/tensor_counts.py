"""Counts and centres on the device that holds the masks: for predictions that are on a GPU anyway."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from refsam_zoo.evaluation.bit_planes import disk_steps
from refsam_zoo.evaluation.counts import COUNTS, boundary_radius
from refsam_zoo.evaluation.motion import ABSENT, UNITS

_FRAMES_AT_ONCE = 64


def count_tensors(predictions: Tensor, masks: Tensor) -> Tensor:
    """Counts everything that J and F need, the same integers as `count_pixels`.

    Args:
        predictions: bool `[T, H, W]`.
        masks: bool `[T, H, W]`, the ground truth.

    Returns:
        int64 `[T, 7]`, see `COUNTS`, on the device of the masks.
    """
    parts = zip(predictions.split(_FRAMES_AT_ONCE), masks.split(_FRAMES_AT_ONCE), strict=True)
    counts = [_count(*part) for part in parts]
    return torch.cat(counts) if counts else torch.zeros(0, len(COUNTS), dtype=torch.int64, device=masks.device)


def tensor_centres(masks: Tensor) -> Tensor:
    """`motion.centres` of masks that are on a GPU."""
    height, width = masks.shape[1:]
    areas = masks.flatten(1).sum(1)
    rows, columns = (torch.arange(size, device=masks.device) for size in (height, width))
    sums = torch.stack([(masks.sum(2) * rows).sum(1), (masks.sum(1) * columns).sum(1)], dim=1)
    scaled = UNITS * (sums.double() / areas.clamp(min=1)[:, None]) / float(np.linalg.norm((height, width)))
    return torch.where(areas[:, None] > 0, scaled.round().long(), ABSENT)


def _count(predictions: Tensor, masks: Tensor) -> Tensor:
    radius = boundary_radius(*masks.shape[1:])
    predicted, true = _boundary(predictions), _boundary(masks)
    matched = predicted & _dilate(true, radius), true & _dilate(predicted, radius)
    maps = (predictions & masks, predictions, masks, predicted, true, *matched)
    return torch.stack([each.flatten(1).sum(1) for each in maps], dim=1)


def _boundary(masks: Tensor) -> Tensor:
    """Marks pixels that differ from their east, south or south-east neighbour: bool `[T, H, W]`."""
    south = torch.cat([masks[:, 1:], masks[:, -1:]], dim=1)
    east, south_east = (torch.cat([each[..., 1:], each[..., -1:]], dim=2) for each in (masks, south))
    return (masks ^ east) | (masks ^ south) | (masks ^ south_east)


def _dilate(edges: Tensor, radius: int) -> Tensor:
    """Dilates by a disk out of nested rectangles, in the order of `bit_planes.dilate`: bool `[T, H, W]`."""
    tall = edges[:, None].float()
    disk = tall
    for rise, reach in disk_steps(radius):
        tall = max_pool2d(tall, (2 * rise + 1, 1), stride=1, padding=(rise, 0))
        disk = max_pool2d(torch.maximum(disk, tall), (1, 2 * reach + 1), stride=1, padding=(0, reach))
    return disk[:, 0] > 0
