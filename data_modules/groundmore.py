"""GroundMoRe: questions about motion whose answer is an object while something happens, and nothing before or after.

Download it from the hub (groundmore/GroundMoRe) and unpack groundmore_v2.tar, to

    GroundMoRe/{trainval_v2.json, test_v2.json}
    GroundMoRe/annotations/<video>/images/<frame>.jpg               6 frames per second
    GroundMoRe/annotations/<video>/masks/frame_<6 digits>.png       indexed; the number counts the pictures from 0

The name of a video ends in the minutes and seconds at which its clip begins and ends, `_0105_0120`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from refsam_zoo.annotations.files import Entry, read_json, separately
from refsam_zoo.data_modules.base import DataCard
from refsam_zoo.data_modules.holdout import HoldoutDataModule
from refsam_zoo.file_names import MASKS, find_files
from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.masks import IndexedMasks, read_indexed

FRAMES_PER_SECOND = 6
LONGEST = 100 * 3600
"""No moment is later, in seconds."""


class GroundMoRe(HoldoutDataModule):
    """GroundMoRe; validation uses a holdout of the training videos, test and prediction the test split.

    Options are those of `HoldoutDataModule`.
    """

    title = "GroundMoRe"
    page = "groundmore.md"
    card = DataCard(
        size="30.2 GB",
        videos="1715",
        train="trainval less a holdout",
        evaluation="the holdout; test",
        prediction="test",
    )
    how_to_get = "download groundmore/GroundMoRe from the hub and unpack groundmore_v2.tar"
    protocols = ("groundmore",)

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`."""
        root = Path(root)
        there = [name for name in ("trainval", "test") if (root / f"{name}_v2.json").is_file()]
        return {name: partial(parse_groundmore, root, name) for name in there}

    def referrals(self, role: str) -> list[Referral]:
        """Parses the test split, or the share of trainval that is held out or not."""
        if role in ("test", "predict"):
            return parse_groundmore(self.root, "test")
        found = parse_groundmore(self.root, "trainval")
        return self.train_share(found) if role == "train" else self.held_out_share(found)


def parse_groundmore(root: str | Path, split: str) -> list[Referral]:
    """Reads the questions of `trainval` or `test`; answers in words are not read. The type becomes the tag `type`.

    Raises:
        InputError: The annotation file is missing or wrong, or a video is missing.
    """
    root = Path(root)
    file = root / f"{split}_v2.json"
    found: list[Referral] = []
    for video_id, video in read_json(file)["videos"].items():
        with separately():
            folder = root / "annotations" / Entry(video_id, file, video.key).name()
            if not (folder / "images").is_dir():
                video.fail(f"its folder of frames is missing: {folder / 'images'}")
            frames, begin = tuple(find_files(folder / "images")), _begin(video_id, video)
            if not frames:
                video.fail(f"there are no frames in {folder / 'images'}")
            for name, question in video["questions"].items():
                with separately():
                    number = question["obj_id"].integer()
                    start, end = (_seconds(question[key]) - begin for key in ("action_start", "action_end"))
                    shown = range(FRAMES_PER_SECOND * start, FRAMES_PER_SECOND * end)
                    referral = Referral(
                        video_id=video_id,
                        expression_id=Entry(name, file, question.key).name(),
                        expression=question["question"].text(),
                        object_ids=(number,),
                        frames=frames,
                        source=VideoSource(folder / "images"),
                        masks=ActionMasks(folder / "masks", (number,), shown.start, shown.stop),
                        tags={"type": question["q_type"].text()},
                    )
                    found.append(referral)
    return found


def _begin(video_id: str, video: Entry) -> int:
    """When a clip begins, in seconds, from the end of its name."""
    moments = re.search(r"(\d\d)(\d\d)_\d{4}$", video_id, re.ASCII)
    if moments is None:
        video.fail("the name of a video must end in two moments, such as _0105_0120")
    return 60 * int(moments[1]) + int(moments[2])


def _seconds(moment: Entry) -> int:
    """Reads a moment, `m:ss` or `h:mm:ss`."""
    parts = moment.string().split(":")
    if not 1 <= len(parts) <= 3:
        moment.fail("a moment is m:ss or h:mm:ss")
    total = 0
    for part in parts:
        total = 60 * total + Entry(part.strip(), moment.file, moment.key).integer(0, LONGEST)
    return total


@dataclass(frozen=True)
class ActionMasks(IndexedMasks):
    """The pictures of a video, in which a target counts only during an action; a `MaskSource`.

    Attributes:
        folder: Where `frame_<6 digits>.png` are; a frame without one shows nothing.
        object_ids: The mask is the union of these.
        start: Position of the first frame of the action.
        stop: Position after the last one.
    """

    folder: Path
    object_ids: tuple[int, ...] | None
    start: int
    stop: int

    @property
    def shared(self) -> tuple[object, ...]:
        """See `IndexedMasks.shared`; other actions leave other frames empty."""
        return self.folder, self.start, self.stop

    def read_ids(self, positions: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """See `IndexedMasks.read_ids`."""
        found = find_files(self.folder, MASKS) if self.folder.is_dir() else {}
        ids = np.zeros((len(positions), *size), np.uint16)
        for row, position in zip(ids, positions, strict=True):
            file = found.get(f"frame_{position:06d}") if self.start <= position < self.stop else None
            if file is not None:
                row[:] = read_indexed(file, size)
        return ids
