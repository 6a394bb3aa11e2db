"""FeVOS: questions about what will happen next in a video; the answer is one object or several.

Download it from the hub (FudanCVL/FeVOS) and unpack JPEGImages.zip, to

    FeVOS/JPEGImages/<video>/<frame>.jpg
    FeVOS/{mask_dict.json, meta_expressions_train.json, meta_expressions_val.json}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from refsam_zoo.annotations.meta_expressions import FrameFolders, unpacked
from refsam_zoo.data_modules.base import DataCard, ReferringDataModule
from refsam_zoo.data_modules.mevis import MaskDict, parse_expressions
from refsam_zoo.types import Referral


class FeVOS(ReferringDataModule):
    """FeVOS; options as in `ReferringDataModule`. Validation, test and prediction use its val split."""

    title = "FeVOS"
    page = "fevos.md"
    card = DataCard(videos="968", sentences="14 525", evaluation="val", prediction="val")
    how_to_get = "download FudanCVL/FeVOS from the hub and unpack JPEGImages.zip"

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`."""
        root = Path(root)
        there = [name for name in ("train", "val") if _expressions_file(root, name).is_file()]
        return {name: partial(parse_fevos, root, name) for name in there}

    def referrals(self, role: str) -> list[Referral]:
        """Parses the train or the val split."""
        return parse_fevos(self.root, "train" if role == "train" else "val")


def parse_fevos(root: str | Path, split: str) -> list[Referral]:
    """Reads the questions of `train` or `val`; the answers in words (`ans`) are not read.

    Raises:
        InputError: An annotation file is missing or wrong, a video or frame it names is missing, or the frames are
            still in their archive.
    """
    root = Path(root)
    pictures = FrameFolders(unpacked(root / "JPEGImages"))
    return parse_expressions(_expressions_file(root, split), MaskDict(root / "mask_dict.json"), pictures)


def _expressions_file(root: Path, split: str) -> Path:
    return root / f"meta_expressions_{split}.json"
