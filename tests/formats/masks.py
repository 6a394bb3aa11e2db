"""Masks as a system leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from refsam_zoo.inference.mask_folder import MaskFolder
from refsam_zoo.types import Referral
from refsam_zoo.video.readers import open_video


def write_truth(referrals: Sequence[Referral], folder: Path) -> Path:
    """Predictions that are right, as the zoo writes them."""
    with MaskFolder(folder) as masks:
        for referral in referrals:
            assert referral.masks is not None
            with open_video(referral.source, referral.frames) as video:
                found = referral.masks.read(range(len(referral.frames)), video.size)
            for frame, mask in zip(referral.frames, found, strict=True):
                masks.write(referral.video_id, referral.expression_id, frame, mask)
    return folder
