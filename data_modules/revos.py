"""ReVOS: referring and reasoning sentences (the tag `type`: 0 and 1; its evaluator leaves out 2).

Download as its repository (cilinyan/ReVOS-api) says, to

    ReVOS/JPEGImages/<video>/<frame>.jpg
    ReVOS/{mask_dict.json, meta_expressions_train_.json, meta_expressions_valid_.json}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from refsam_zoo.annotations.meta_expressions import FrameFolders
from refsam_zoo.data_modules.base import DataCard, ReferringDataModule
from refsam_zoo.data_modules.mevis import MaskDict, parse_expressions
from refsam_zoo.types import Referral


class ReVOS(ReferringDataModule):
    """ReVOS; options as in `ReferringDataModule`. Validation, test and prediction use its valid split."""

    title = "ReVOS"
    page = "revos.md"
    card = DataCard(videos="1042", sentences="35 074")
    how_to_get = "download ReVOS as github.com/cilinyan/ReVOS-api says"

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`."""
        root = Path(root)
        there = [name for name in ("train", "valid") if _expressions_file(root, name).is_file()]
        return {name: partial(parse_revos, root, name) for name in there}

    def referrals(self, role: str) -> list[Referral]:
        """Parses the train or the valid split."""
        return parse_revos(self.root, "train" if role == "train" else "valid")


def parse_revos(root: str | Path, split: str) -> list[Referral]:
    """Reads the sentences of `train` or `valid`.

    Raises:
        InputError: An annotation file is missing or wrong, or a video or frame it names is missing.
    """
    root = Path(root)
    objects, pictures = MaskDict(root / "mask_dict.json"), FrameFolders(root / "JPEGImages")
    return parse_expressions(_expressions_file(root, split), objects, pictures)


def _expressions_file(root: Path, split: str) -> Path:
    return root / f"meta_expressions_{split}_.json"
