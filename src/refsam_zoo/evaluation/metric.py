"""J and F over a data set as a torchmetrics metric that no number of processes changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchmetrics.metric import Metric
from torchmetrics.utilities import dim_zero_cat

from refsam_zoo.evaluation.counts import COUNTS, contour_accuracy, count_pixels, region_similarity
from refsam_zoo.evaluation.motion import centres, extent
from refsam_zoo.evaluation.presence import Presence
from refsam_zoo.evaluation.reliability import ScoredFrames
from refsam_zoo.evaluation.tensor_counts import count_tensors, tensor_centres

_COLUMNS = 2 + len(COUNTS) + 2 + 1
"""Of a frame's row: sample, frame, counts, centre, and score."""

_SCORE_STEPS = 10**9
"""Scores are kept as whole numbers of this part of 1; -1 says that there is none."""


class SampleScores(NamedTuple):
    """Scores of S samples in ascending order of their ids.

    Attributes:
        samples: int64 `[S]`, ids.
        frames: int64 `[S]`, number of frames scored.
        j: float64 `[S]` in 0..1, region similarity averaged over the frames.
        f: float64 `[S]` in 0..1, contour accuracy averaged over the frames.
        area: float64 `[S]`, ground-truth pixels per frame.
        extent: float64 `[S]`, how far the target travels, see `motion.extent`; not a number for None.
        presence: int64 `[S, 4]`, frames where the target is and was found, see `presence.Presence`.
        scored_frames: The frames of all samples whose masks came with a score.
    """

    samples: np.ndarray
    frames: np.ndarray
    j: np.ndarray
    f: np.ndarray
    area: np.ndarray
    extent: np.ndarray
    presence: np.ndarray
    scored_frames: ScoredFrames


class RegionContourMetric(Metric):
    """Region similarity J and contour accuracy F of each sample, averaged over its frames.

    A sample is an expression about a video. The state is one row of integers per frame, 96 bytes, so the order
    of updates and the share of each process leave no trace in the result: rows are gathered, sorted and, where a
    distributed sampler has repeated a sample, counted once. All arithmetic after that is float64 on the CPU.
    """

    full_state_update = False
    rows: list[Tensor] | Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("rows", default=[], dist_reduce_fx="cat")
        self.reset()

    def reset(self) -> None:
        """Forgets every sample."""
        super().reset()
        # A process without samples must bring a state of the right type and width to the gathering.
        self.rows = [torch.empty(0, _COLUMNS, dtype=torch.int64, device=self.device)]

    def update(
        self,
        samples: Sequence[int],
        frames: Sequence[int],
        predictions: Tensor,
        masks: Tensor,
        scores: Tensor | None = None,
        counted: np.ndarray | None = None,
    ) -> None:
        """Adds some frames of some samples; both masks empty counts as J = F = 1.

        Args:
            samples: N ids, see `sample_id`.
            frames: T positions in the video, the same for all samples.
            predictions: bool `[N, T, H, W]`.
            masks: bool `[N, T, H, W]`, the ground truth.
            scores: How sure the model is of each prediction, float `[N, T]` in 0..1; None where it does not say.
            counted: Which frames of which samples have ground truth, bool `[N, T]`; None means all.
        """
        keys = np.stack(np.meshgrid(samples, frames, indexing="ij"), axis=-1).reshape(-1, 2)
        frame_rows = torch.from_numpy(keys.astype(np.int64)).to(self.device)
        assert isinstance(self.rows, list)
        counts = (part.to(self.device) for part in _count(predictions, masks))
        rows = torch.cat([frame_rows, *counts, _as_steps(scores, frame_rows)], dim=1)
        self.rows.append(rows if counted is None else rows[torch.from_numpy(counted.ravel()).to(self.device)])

    def compute(self) -> SampleScores:
        """Scores every sample seen by any process."""
        # The smallest of repeated rows is kept: an arbitrary choice, but the same one on every process.
        rows = np.unique(dim_zero_cat(self.rows).cpu().numpy(), axis=0)
        first = np.ones(len(rows), bool)
        first[1:] = (np.diff(rows[:, :2], axis=0) != 0).any(axis=1)
        rows = rows[first]
        samples, starts = np.unique(rows[:, 0], return_index=True)
        parts = np.split(rows[:, 2:], starts[1:]) if len(samples) else []
        per_sample, paths = ([part[:, :-3] for part in parts], [part[:, -3:-1] for part in parts])
        return SampleScores(
            samples,
            np.array([len(counts) for counts in per_sample], np.int64),
            np.array([region_similarity(counts).mean() for counts in per_sample]),
            np.array([contour_accuracy(counts).mean() for counts in per_sample]),
            np.array([counts[:, COUNTS.index("true_area")].mean() for counts in per_sample]),
            np.array([extent(path) for path in paths], np.float64),
            np.array([Presence.of(counts) for counts in per_sample], np.int64).reshape(-1, len(Presence._fields)),
            _scored(rows[:, 2:]),
        )


def _as_steps(scores: Tensor | None, rows: Tensor) -> Tensor:
    """Makes whole numbers of the scores of some rows: int64 `[R, 1]`."""
    if scores is None:
        return torch.full_like(rows[:, :1], -1)
    return (scores.detach().to(rows.device).double().flatten() * _SCORE_STEPS).round().long()[:, None]


def _scored(rows: np.ndarray) -> ScoredFrames:
    """Finds what scores should have been; rows int64 `[R, 10]` of counts, centre and score."""
    rows = rows[rows[:, -1] >= 0]
    predicted, true = (rows[:, COUNTS.index(name)] for name in ("predicted_area", "true_area"))
    absent = predicted == 0
    truth = np.where(absent, true > 0, region_similarity(rows[:, : len(COUNTS)]))
    return ScoredFrames(rows[:, -1] / _SCORE_STEPS, absent, truth.astype(np.float64))


def _count(predictions: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Counts pixels and finds centres of masks bool `[N, T, H, W]`, on their device: int64 `[N * T, ...]`."""
    predicted, true = (part.detach().bool().flatten(0, 1) for part in (predictions, masks))
    if true.is_cuda:
        return count_tensors(predicted, true), tensor_centres(true)
    arrays = predicted.cpu().numpy(), true.cpu().numpy()
    return torch.from_numpy(count_pixels(*arrays)), torch.from_numpy(centres(arrays[1]))
