"""Predictions of one binary mask per expression and frame, `<video>/<expression>/<frame>.png`, by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.mask_archive import MaskArchive
from refsam_zoo.types import Referral

LEVELS = ("videos", "expressions")
"""What the folders above a mask are."""


def mask_name(referral: Referral, frame: str) -> str:
    """Names one mask: `<video>/<expression>/<frame>`."""
    return f"{referral.video_id}/{referral.expression_id}/{frame}"


def expected_masks(referrals: Sequence[Referral]) -> list[str]:
    """Names the masks that some referrals ask for."""
    return [mask_name(referral, frame) for referral in referrals for frame in referral.frames]


def group_by_video(referrals: Sequence[Referral]) -> list[list[Referral]]:
    """Puts the referrals about the same frames together."""
    videos: dict[tuple[str, tuple[str, ...]], list[Referral]] = {}
    for referral in referrals:
        videos.setdefault((referral.video_id, referral.frames), []).append(referral)
    return list(videos.values())


def read_predictions(archive: MaskArchive, names: Sequence[str], size: tuple[int, int]) -> np.ndarray:
    """Reads predictions, bool `[T, H, W]`, every pixel above 0 in the target; those that are not there are empty.

    Raises:
        InputError: A mask cannot be read or is of another size than the video.
    """
    masks = np.zeros((len(names), *size), bool)
    for mask, name in zip(masks, names, strict=True):
        if name in archive.files:
            labels = archive.read(name)
            if labels.shape != size:
                sizes = " but the video ".join(f"{height}x{width}" for height, width in (labels.shape, size))
                raise InputError(f"'{archive.label}/{name}.png' is {sizes}")
            np.not_equal(labels, 0, out=mask)
    return masks
