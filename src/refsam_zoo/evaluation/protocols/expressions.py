"""Protocols that score one binary mask per expression and frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.completeness import Completeness
from refsam_zoo.evaluation.counts import COUNTS, contour_accuracy, count_pixels, region_similarity
from refsam_zoo.evaluation.expression_masks import LEVELS, expected_masks, group_by_video, mask_name, read_predictions
from refsam_zoo.evaluation.expression_scores import mean_scores
from refsam_zoo.evaluation.figures import draw_breakdowns, draw_worst
from refsam_zoo.evaluation.mask_archive import MaskArchive, open_masks
from refsam_zoo.evaluation.motion import centres, extent
from refsam_zoo.evaluation.presence import Presence
from refsam_zoo.evaluation.protocols.base import BaseProtocol, Comparison, Evaluation
from refsam_zoo.evaluation.results import ExpressionResult, presence_columns
from refsam_zoo.evaluation.worst_cases import worst_examples
from refsam_zoo.types import MaskSource, Referral
from refsam_zoo.video.masks import read_masks
from refsam_zoo.video.readers import open_video

_FRAMES_AT_ONCE = 8
_MASKS_AT_ONCE = 128
"""Masks of the truth in memory, of all sentences together: 52 MB of 480p."""


@dataclass(frozen=True)
class ExpressionProtocol(BaseProtocol):
    """Scores `<video>/<expression>/<frame>.png`: every pixel above 0 belongs to the target.

    All frames count that have ground truth, both masks empty as J = F = 1; the mean is taken over the frames of an
    expression and then over expressions.

    Attributes:
        name: What it is called.
        folder: Folder of the predictions that the server asks for; predictions without it are taken as well.
        description: For a table of protocols.
        totals: Makes the totals of the results of all expressions.
    """

    name: str
    folder: str
    description: str
    totals: Callable[[Sequence[ExpressionResult]], dict[str, float]] = mean_scores

    def compare(
        self, predictions: Path, data: Path | Sequence[Referral]
    ) -> Comparison[list[Referral], list[tuple[ExpressionResult, int]]]:
        """Opens predictions, video by video.

        Args:
            predictions: Folder or zip of `<video>/<expression>/<frame>.png`.
            data: The referrals that were asked about, with ground truth.

        Raises:
            InputError: The data are a path. Scoring raises it where a mask is of another size or has no ground truth.
        """
        if isinstance(data, Path):
            raise InputError(f"protocol '{self.name}' scores expressions: give the data set's folder, or its referrals")
        archive, completeness = self.check(predictions, data)

        def collect(parts: Sequence[list[tuple[ExpressionResult, int]]]) -> Evaluation:
            results = [result for part in parts for result, _ in part]
            worst_frames = {(result.video_id, result.expression_id): frame for part in parts for result, frame in part}

            def draw(folder: Path) -> None:
                draw_breakdowns(results, folder / "breakdowns.png")
                draw_worst(worst_examples(results, worst_frames, data, archive), folder / "worst.png")

            rows = [_row(result) for result in results]
            return Evaluation(self.name, self.totals(results), rows, completeness, "expression", draw)

        def score(video: list[Referral]) -> list[tuple[ExpressionResult, int]]:
            return _score_video(self.name, video, archive)

        return Comparison(archive.label, completeness, group_by_video(data), score, collect)

    def check(self, predictions: Path, referrals: Sequence[Referral]) -> tuple[MaskArchive, Completeness]:
        """Opens predictions and compares the names of their masks with those asked for, without reading any."""
        expected = expected_masks(referrals)
        archive = self.inside(open_masks(predictions)).spelled_as(expected)
        return archive, Completeness.of(expected, archive.files, LEVELS)

    def inside(self, opened: MaskArchive) -> MaskArchive:
        """The masks in the folder that the server asks for; all where there is none."""
        part = opened.below(self.folder)
        return part if part.files else opened


def _score_video(
    subset: str, referrals: Sequence[Referral], archive: MaskArchive
) -> list[tuple[ExpressionResult, int]]:
    """Scores the expressions about one video, a few frames at a time; finds the worst frame of each."""
    frames, sources = referrals[0].frames, _sources(referrals)
    with open_video(referrals[0].source, frames) as video:
        size = video.size
    counts = np.zeros((len(referrals), len(frames), len(COUNTS)), np.int64)
    paths = np.zeros((len(referrals), len(frames), 2), np.int64)
    at_once = max(1, min(_FRAMES_AT_ONCE, _MASKS_AT_ONCE // len(referrals)))
    for start in range(0, len(frames), at_once):
        positions = range(start, min(start + at_once, len(frames)))
        truth = read_masks(sources, positions, size)
        chunk = slice(positions.start, positions.stop)
        for referral, masks, rows, path in zip(referrals, truth, counts, paths, strict=True):
            names = [mask_name(referral, frames[position]) for position in positions]
            rows[chunk] = count_pixels(read_predictions(archive, names, size), masks)
            path[chunk] = centres(masks)
    return [
        _result(subset, *each_of)
        for each_of in zip(referrals, counts, paths, strict=True)
        if each_of[0].scored is None or each_of[0].scored
    ]


def _sources(referrals: Sequence[Referral]) -> list[MaskSource]:
    sources = [referral.masks for referral in referrals if referral.masks is not None]
    if len(sources) < len(referrals):
        first = next(referral for referral in referrals if referral.masks is None)
        raise InputError(
            f"expression {first.expression_id} of video '{first.video_id}' has no ground truth to be evaluated against"
        )
    return sources


def _result(subset: str, referral: Referral, counts: np.ndarray, path: np.ndarray) -> tuple[ExpressionResult, int]:
    scored = np.arange(len(counts)) if referral.scored is None else np.array(referral.scored)
    counts, path = counts[scored], path[scored]
    j, f = region_similarity(counts), contour_accuracy(counts)
    result = ExpressionResult(
        subset=subset,
        video_id=referral.video_id,
        expression_id=referral.expression_id,
        expression=referral.expression,
        frames=len(counts),
        area=float(counts[:, COUNTS.index("true_area")].mean()),
        j=float(j.mean()),
        f=float(f.mean()),
        tags=referral.tags,
        extent=extent(path),
        presence=Presence.of(counts),
    )
    return result, int(scored[np.argmin(j + f)])


def _row(result: ExpressionResult) -> dict[str, object]:
    return {
        "subset": result.subset,
        "video_id": result.video_id,
        "expression_id": result.expression_id,
        "expression": result.expression,
        **result.tags,
        "frames": result.frames,
        "area": result.area,
        "extent": result.extent,
        "jf": result.jf,
        "j": result.j,
        "f": result.f,
        **presence_columns(result),
    }
