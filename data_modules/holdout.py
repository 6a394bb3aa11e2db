"""Data sets without a public validation split: some training videos are held out instead."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from refsam_zoo.data_modules.base import ReferringDataModule
from refsam_zoo.errors import InputError
from refsam_zoo.number_types import Share
from refsam_zoo.types import Referral


class HoldoutDataModule(ReferringDataModule):
    """A data module that can hold out training videos.

    Args:
        holdout: Share of the training videos held out, at least one video; chosen by a hash of their names, the same
            on every machine.
        **kwargs: See `ReferringDataModule`.
    """

    def __init__(self, root: str | Path, holdout: Share = 0.05, **kwargs: Any) -> None:
        super().__init__(root, **kwargs)
        if not 0 < holdout < 1:
            raise InputError(f"holdout must be between 0 and 1, not {holdout}")
        self.holdout = holdout

    def train_share(self, referrals: Sequence[Referral]) -> list[Referral]:
        """Leaves out the videos held out."""
        held_out = hold_out({referral.video_id for referral in referrals}, self.holdout)
        return [referral for referral in referrals if referral.video_id not in held_out]

    def held_out_share(self, referrals: Sequence[Referral]) -> list[Referral]:
        """Keeps only the videos held out."""
        held_out = hold_out({referral.video_id for referral in referrals}, self.holdout)
        return [referral for referral in referrals if referral.video_id in held_out]


def hold_out(video_ids: set[str], share: float) -> set[str]:
    """Picks videos by a hash of their names: at least one, at most all but one."""
    ranked = sorted(video_ids, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    count = max(1, min(round(share * len(ranked)), len(ranked) - 1))
    return set(ranked[:count])
