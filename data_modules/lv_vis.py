"""LV-VIS with category names as sentences, in the form that VISA (cilinyan/VISA) gives it; for training.

Download the training videos of LV-VIS and VISA's `mask_dict.json` and `meta_expressions.json` for them, to

    lvvis/train/{JPEGImages/<video>/<frame>.jpg, mask_dict.json, meta_expressions.json}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from refsam_zoo.data_modules.base import DataCard
from refsam_zoo.data_modules.holdout import HoldoutDataModule
from refsam_zoo.data_modules.mevis import MeViS, mevis_splits, parse_mevis
from refsam_zoo.types import Referral


class LVVIS(HoldoutDataModule):
    """LV-VIS; validation, test and prediction use the holdout. Options are those of `HoldoutDataModule`."""

    title = "LV-VIS"
    page = "lv_vis.md"
    card = DataCard(train="train less a holdout", evaluation="the holdout", prediction="the holdout")
    how_to_get = "download LV-VIS (github.com/haochenheheda/LVVIS) and VISA's annotations for it"

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`; a tree with more of MeViS's splits is not LV-VIS."""
        root = Path(root)
        return {} if MeViS.splits(root) else mevis_splits(root, ("train",))

    def referrals(self, role: str) -> list[Referral]:
        """Parses the training videos or the holdout."""
        found = parse_mevis(self.root, "train")
        return self.train_share(found) if role == "train" else self.held_out_share(found)
