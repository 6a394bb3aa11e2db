"""Mean, recall and decay of the scores of one track, as the DAVIS evaluators define them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Statistics:
    """What a row of per-frame scores comes to.

    Attributes:
        mean: Mean over frames, 0..1.
        recall: Share of frames strictly above 0.5.
        decay: Mean of the first quarter of the frames minus that of the last; neighbouring quarters share a frame.
            Not a number, or a meaningless one, beyond 255 frames, where the official evaluator counts its quarters in
            8 bits and overflows.
    """

    mean: float
    recall: float
    decay: float

    @classmethod
    def of(cls, values: np.ndarray) -> Statistics:
        """Summarises scores, float64 `[T]`; not numbers where there are no frames."""
        if not len(values):
            return cls(float("nan"), float("nan"), float("nan"))
        return cls(float(values.mean()), float((values > 0.5).mean()), _decay(values))


def _decay(values: np.ndarray) -> float:
    edges = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(int) - 1
    # The overflow of the official evaluator (under numpy 2) is a part of its protocol.
    starts, ends = edges % 256, (edges % 256 + 1) % 256
    first, last = values[starts[0] : ends[1]], values[starts[3] : ends[4]]
    return float(first.mean() - last.mean()) if len(first) and len(last) else float("nan")
