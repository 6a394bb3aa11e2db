"""The expressions that predictions did worst on, looked up again among the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from refsam_zoo.evaluation.examples import Example, from_different_videos
from refsam_zoo.evaluation.expression_masks import mask_name, read_predictions
from refsam_zoo.evaluation.mask_archive import MaskArchive
from refsam_zoo.evaluation.results import ExpressionResult, sample_id
from refsam_zoo.types import Referral
from refsam_zoo.video.readers import open_video

ExpressionKey = tuple[str, str]
"""Ids of a video and of an expression."""


def worst_examples(
    results: Sequence[ExpressionResult],
    worst_frames: Mapping[ExpressionKey, int],
    referrals: Sequence[Referral],
    archive: MaskArchive,
    count: int = 12,
) -> list[Example]:
    """Reads the worst frame of each of the worst expressions.

    Args:
        results: Scores of the referrals.
        worst_frames: Position of the frame to show.
        referrals: What was asked, with ground truth.
        archive: The predictions.
        count: Most examples.

    Returns:
        Examples, from different videos where there are enough.
    """
    asked = {(referral.video_id, referral.expression_id): referral for referral in referrals}
    ranked = sorted(results, key=lambda result: (result.jf, result.video_id, result.expression_id))
    keys = [(result.video_id, result.expression_id) for result in from_different_videos(ranked)[:count]]
    return [_read_example(asked[key], worst_frames[key], archive) for key in keys]


def _read_example(referral: Referral, position: int, archive: MaskArchive) -> Example:
    name = referral.frames[position]
    with open_video(referral.source, referral.frames) as video:
        size, frame = video.size, video.read([position])[0]
    assert referral.masks is not None
    mask = referral.masks.read([position], size)[0]
    prediction = read_predictions(archive, [mask_name(referral, name)], size)[0]
    sample = sample_id(referral.video_id, referral.expression_id)
    return Example.of(sample, referral.video_id, name, referral.expression, frame, prediction, mask)
