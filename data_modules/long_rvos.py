"""Long-RVOS: sentences about single objects in videos of about a minute, static, dynamic or both.

Download it from the hub (iSEE-Laboratory/Long-RVOS) and unpack the archives to

    long_rvos/{train,valid,test}/{meta_expressions.json, frame_types.json, JPEGImages/<video>/<frame>.jpg}
    long_rvos/{train,valid}/Annotations/<video>/<object>/<frame>.png    255 is the object; no file: not in this frame
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from refsam_zoo.annotations.files import Entry
from refsam_zoo.annotations.meta_expressions import FrameFolders, parse_meta_expressions, unpacked
from refsam_zoo.data_modules.base import DataCard, ReferringDataModule
from refsam_zoo.data_modules.lv_vis import LVVIS
from refsam_zoo.data_modules.mevis import MeViS
from refsam_zoo.types import Referral
from refsam_zoo.video.masks import BinaryMasks

OBJECT = 255
"""The pixels of an object in the pictures of its folder."""


class LongRVOS(ReferringDataModule):
    """Long-RVOS; options as in `ReferringDataModule`. Its `test` has no public masks and serves for prediction."""

    title = "Long-RVOS"
    page = "long_rvos.md"
    card = DataCard(licence="Apache-2.0", size="48.6 GB (train)", videos="2193", prediction="test")
    how_to_get = "download iSEE-Laboratory/Long-RVOS from the hub and unpack its archives"
    protocols = ("long_rvos",)
    contains = (MeViS, LVVIS)

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`."""
        root = Path(root)
        there = [
            name
            for name in ("train", "valid", "test")
            if (root / name / "meta_expressions.json").is_file() and (root / name / "frame_types.json").is_file()
        ]
        return {name: partial(parse_long_rvos, root, name) for name in there}

    def referrals(self, role: str) -> list[Referral]:
        """Parses `train`, `valid` (for `val` and `test`) or `test` (for `predict`)."""
        return parse_long_rvos(self.root, {"train": "train", "predict": "test"}.get(role, "valid"))


def parse_long_rvos(root: str | Path, split: str) -> list[Referral]:
    """Reads the sentences of a split, with masks where the split has a folder `Annotations`.

    The type of a sentence (`static`, `dynamic` or `hybrid`) becomes the tag `type`.

    Raises:
        InputError: The annotation file is missing or wrong, or a video, frame or folder of masks is missing.
    """
    folder = Path(root) / split
    complete = partial(_complete, unpacked(folder / "Annotations"))
    pictures = FrameFolders(unpacked(folder / "JPEGImages"))
    return parse_meta_expressions(folder / "meta_expressions.json", pictures, complete)


def _complete(annotations: Path, entry: Entry, referral: Referral) -> Referral:
    kind = entry.get("type")
    tagged = replace(referral, tags={} if kind is None else {"type": kind.text()})
    if not annotations.is_dir():
        return tagged
    number = entry["obj_id"]
    # the folder has the name that the annotation file writes
    name = number.value if isinstance(number.value, str) else str(number.integer())
    masks = BinaryMasks(annotations / referral.video_id / name, referral.frames, OBJECT - 1)
    object_ids = (number.integer(),)
    if not masks.folder.is_dir():
        number.fail(f"the folder of its masks is missing: {masks.folder}")
    return replace(tagged, object_ids=object_ids, masks=masks)
