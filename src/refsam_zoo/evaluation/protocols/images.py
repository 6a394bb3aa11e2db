"""Protocols that score single images or annotated frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from refsam_zoo.evaluation.completeness import OnIncomplete
from refsam_zoo.evaluation.image_files import read_samples
from refsam_zoo.evaluation.images import ImageSample, overlap
from refsam_zoo.evaluation.protocols.base import Evaluation


@dataclass(frozen=True)
class ImageProtocol:
    """Scores COCO results against COCO ground truth.

    Attributes:
        name: What it is called.
        rule: Turns samples into totals.
        description: For a table of protocols.
    """

    name: str
    rule: Callable[[Sequence[ImageSample]], dict[str, float]]
    description: str

    def evaluate(
        self, predictions: Path, data: Path, on_incomplete: OnIncomplete = "error", threads: int = 1
    ) -> Evaluation:
        """Scores a file of predictions; see `read_samples` for the files and the errors.

        `threads` is there for the sake of the other protocols: images are scored one after the other.
        """
        samples, completeness = read_samples(predictions, data)
        completeness.require(str(predictions), on_incomplete)
        rows = [
            {"sample_id": sample.sample_id, "intersection": intersection, "union": union, "no_target": sample.no_target}
            for sample, (intersection, union) in zip(samples, overlap(samples).tolist(), strict=True)
        ]
        return Evaluation(self.name, self.rule(samples), rows, completeness, "image")
