"""Ref-SAV's evaluation set: long and short sentences about SA-V videos (tag `type`: 0 long, 1 short).

Download the videos of SA-V and `ref_sav_eval` as Sa2VA (bytedance/Sa2VA) says, to

    ref_sav_eval/{meta_expressions_valid.json, mask_dict.json}
    ref_sav_eval/videos/<sav_000>/<sav_000000>.mp4

A frame is named by its number in the video file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from refsam_zoo.annotations.files import Entry
from refsam_zoo.data_modules.base import DataCard, ReferringDataModule
from refsam_zoo.data_modules.mevis import MaskDict, parse_expressions
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral, VideoSource

EXPRESSIONS = "meta_expressions_valid.json"


class RefSAV(ReferringDataModule):
    """Ref-SAV's evaluation set, for validation, test and prediction; options as in `ReferringDataModule`."""

    title = "Ref-SAV"
    page = "ref_sav.md"
    card = DataCard(train="-", evaluation="all", prediction="all")
    how_to_get = "download SA-V and Ref-SAV as github.com/bytedance/Sa2VA says"

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`."""
        root = Path(root)
        return {"valid": partial(parse_ref_sav, root)} if (root / EXPRESSIONS).is_file() else {}

    def referrals(self, role: str) -> list[Referral]:
        """Parses the evaluation set.

        Raises:
            InputError: An annotation file or video is missing or wrong, or the role is `train`.
        """
        if role == "train":
            raise InputError(f"{self.root}: Ref-SAV has no training split here; train on another data set")
        return parse_ref_sav(self.root)


def parse_ref_sav(root: str | Path) -> list[Referral]:
    """Reads the evaluation set.

    Raises:
        InputError: An annotation file or video is missing or wrong.
    """
    root = Path(root)
    return parse_expressions(root / EXPRESSIONS, MaskDict(root / "mask_dict.json"), VideoFiles(root / "videos"))


@dataclass(frozen=True)
class VideoFiles:
    """Finds the pixels of a video `sav_000000` in `<folder>/sav_000/sav_000000.mp4`."""

    folder: Path

    def __call__(self, video: Entry, video_id: str, frames: tuple[str, ...]) -> VideoSource:
        """Gives the file and the numbers of the frames in it."""
        path = self.folder / video_id[: len("sav_000")] / f"{video_id}.mp4"
        if not path.is_file():
            video.fail(f"its video file is missing: {path}")
        return VideoSource(path, tuple(Entry(frame, video.file, f"{video.key}.frames").integer() for frame in frames))
