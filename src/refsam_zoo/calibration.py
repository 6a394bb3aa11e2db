"""What a system's scores are worth: fitted where the truth is known, applied wherever the scores are given."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from refsam_zoo.errors import InputError

_CLOSEST = 1e-6
"""Scores are kept so far from 0 and 1, whose logits are infinite."""

_DOUBT = 0.1
"""What the square of a curve's shift, and of the logarithm of its slope, counts beside the loss of a frame."""


@dataclass(frozen=True)
class Curve:
    """Platt scaling of a score's logit: `sigmoid(slope * logit(score) + shift)`; as it is made, it changes nothing.

    Attributes:
        slope: Positive, so that the order of scores is kept.
        shift: Of the logit.
    """

    slope: float = 1.0
    shift: float = 0.0

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Maps scores, float `[...]` in 0..1."""
        mapped = 1 / (1 + np.exp(-(self.slope * _logit(scores) + self.shift)))
        return np.asarray(mapped, dtype=scores.dtype)

    @classmethod
    def read(cls, numbers: Mapping[str, float]) -> Curve:
        """Takes the numbers of a file.

        Raises:
            ValueError: The slope is not positive, or a number is none; or as for missing ones.
        """
        curve = cls(float(numbers["slope"]), float(numbers["shift"]))
        if not (0 < curve.slope < math.inf and math.isfinite(curve.shift)):
            raise ValueError(f"{curve} is no curve")
        return curve

    @classmethod
    def fit(cls, scores: np.ndarray, truth: np.ndarray) -> Curve:
        """Finds the curve of the smallest cross-entropy.

        A little doubt keeps it near the curve that changes nothing, where few frames speak against that.

        Args:
            scores: float `[K]` in 0..1.
            truth: What they should have said, float `[K]` in 0..1.
        """
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits

        with torch.inference_mode(False), torch.enable_grad():
            logits, wanted = (torch.from_numpy(np.asarray(part, np.float64)) for part in (_logit(scores), truth))
            curve = torch.zeros(2, dtype=torch.float64, requires_grad=True)  # logarithm of the slope, and shift
            optimizer = torch.optim.LBFGS([curve], max_iter=100, line_search_fn="strong_wolfe")

            def loss() -> torch.Tensor:
                optimizer.zero_grad()
                mapped = logits * curve[0].exp() + curve[1]
                total = binary_cross_entropy_with_logits(mapped, wanted, reduction="sum") + _DOUBT * (curve**2).sum()
                mean = total / (_DOUBT + len(wanted))
                mean.backward()
                return mean

            optimizer.step(loss)
            log_slope, shift = curve.tolist()
        return cls(float(np.exp(log_slope)), shift)


@dataclass(frozen=True)
class Calibration:
    """Makes the scores of a system say how good a mask is to be expected, or how likely a target was overlooked.

    Attributes:
        score_meaning: What the system says of its scores; those of another kind are not calibrated by this.
        found: For masks.
        absent: For frames in which the system sees no target; None where none were seen, and scores stay as they are.
    """

    score_meaning: str
    found: Curve
    absent: Curve | None

    @property
    def calibrated_meaning(self) -> str:
        """What calibrated scores say."""
        without = "the probability that the target is in the frame all the same"
        if self.absent is None:
            without = "not calibrated"
        return f"calibrated: the region similarity J to be expected of the mask; where there is no mask, {without}"

    def __call__(self, scores: np.ndarray, absent: np.ndarray) -> np.ndarray:
        """Calibrates scores.

        Args:
            scores: float `[...]` in 0..1.
            absent: Whether the mask is empty, bool `[...]`.
        """
        return np.where(absent, scores if self.absent is None else self.absent(scores), self.found(scores))

    def require(self, score_meaning: str) -> None:
        """Makes sure that it is for the scores of a system.

        Args:
            score_meaning: What the system says of them.

        Raises:
            InputError: They are of another kind, or calibrated already.
        """
        if score_meaning != self.score_meaning:
            raise InputError(
                f"the calibration is for scores of another kind ({self.score_meaning}), not for those of this system "
                f"({score_meaning}); refsam-zoo validate writes its own"
            )

    @classmethod
    def fit(cls, score_meaning: str, scores: np.ndarray, absent: np.ndarray, truth: np.ndarray) -> Calibration:
        """Fits both curves.

        Args:
            score_meaning: What the system says of its scores.
            scores: float `[K]` in 0..1.
            absent: Whether the mask is empty, bool `[K]`.
            truth: What `calibrated_meaning` says, float `[K]` in 0..1.
        """
        found, none = (Curve.fit(scores[rows], truth[rows]) for rows in (~absent, absent))
        return cls(score_meaning, found, none if absent.any() else None)

    def write(self, path: str | Path) -> None:
        """Writes the numbers as JSON."""
        Path(path).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: str | Path) -> Calibration:
        """Reads what `write` wrote.

        Raises:
            InputError: The file is missing or holds something else.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            found = Curve.read(content["found"])
            absent = None if content["absent"] is None else Curve.read(content["absent"])
            meaning = str(content["score_meaning"])
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}; refsam-zoo validate writes it") from error
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}: not the calibration.json that refsam-zoo validate writes") from error
        return cls(meaning, found, absent)


def _logit(scores: np.ndarray) -> np.ndarray:
    kept = np.clip(scores, _CLOSEST, 1 - _CLOSEST)
    return np.asarray(np.log(kept) - np.log1p(-kept))
