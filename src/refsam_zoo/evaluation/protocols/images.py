"""Protocols that score single images or annotated frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.completeness import OnIncomplete
from refsam_zoo.evaluation.image_files import read_samples
from refsam_zoo.evaluation.images import ImageSample, overlap
from refsam_zoo.evaluation.protocols.base import Evaluation
from refsam_zoo.types import Referral


@dataclass(frozen=True)
class ImageProtocol:
    """Scores COCO results against COCO ground truth, or masks against the referrals of a data set.

    Attributes:
        name: What it is called.
        rule: Turns samples into totals.
        description: For a table of protocols.
    """

    name: str
    rule: Callable[[Sequence[ImageSample]], dict[str, float]]
    description: str

    def evaluate(
        self,
        predictions: Path,
        data: Path | Sequence[Referral],
        on_incomplete: OnIncomplete = "error",
        threads: int = 1,
    ) -> Evaluation:
        """Scores a file, folder or zip of predictions.

        Args:
            predictions: See `read_samples`.
            data: A file of COCO ground truth, or referrals.
            on_incomplete: What to do about missing masks.
            threads: There for the sake of the other protocols: images are scored one after the other.

        Raises:
            InputError: Predictions are incomplete, or a file is missing or wrong.
        """
        if isinstance(data, Path) and data.is_dir():
            raise InputError(
                f"protocol '{self.name}' needs referrals or a file of COCO ground truth; '{data}' is a folder"
            )
        samples, completeness = read_samples(predictions, data)
        completeness.require(str(predictions), on_incomplete)
        rows = [
            {"sample_id": sample.sample_id, "intersection": intersection, "union": union, "no_target": sample.no_target}
            for sample, (intersection, union) in zip(samples, overlap(samples).tolist(), strict=True)
        ]
        return Evaluation(self.name, self.rule(samples), rows, completeness, "image")
