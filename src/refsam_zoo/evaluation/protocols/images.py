"""Protocols that score single images or annotated frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.image_files import read_samples
from refsam_zoo.evaluation.images import ImageSample, overlap
from refsam_zoo.evaluation.protocols.base import BaseProtocol, Comparison, Evaluation
from refsam_zoo.types import Referral


@dataclass(frozen=True)
class ImageProtocol(BaseProtocol):
    """Scores COCO results against COCO ground truth, or masks against the referrals of a data set.

    Attributes:
        name: What it is called.
        rule: Turns samples into totals.
        description: For a table of protocols.
    """

    name: str
    rule: Callable[[Sequence[ImageSample]], dict[str, float]]
    description: str

    def compare(self, predictions: Path, data: Path | Sequence[Referral]) -> Comparison[ImageSample, dict[str, object]]:
        """Reads predictions and ground truth.

        Args:
            predictions: See `read_samples`.
            data: A file of COCO ground truth, or referrals.

        Raises:
            InputError: A file is missing or wrong.
        """
        if isinstance(data, Path) and data.is_dir():
            raise InputError(
                f"protocol '{self.name}' needs referrals or a file of COCO ground truth; '{data}' is a folder"
            )
        samples, completeness = read_samples(predictions, data)

        def collect(rows: Sequence[dict[str, object]]) -> Evaluation:
            return Evaluation(self.name, self.rule(samples), rows, completeness, "image")

        return Comparison(str(predictions), completeness, samples, _row, collect)


def _row(sample: ImageSample) -> dict[str, object]:
    ((intersection, union),) = overlap([sample]).tolist()
    return {
        "sample_id": sample.sample_id,
        "intersection": intersection,
        "union": union,
        "no_target": sample.no_target,
    }
