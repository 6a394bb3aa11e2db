"""Long-RVOS: sentences about single objects in videos of about a minute, static, dynamic or both.

Download it from the hub (iSEE-Laboratory/Long-RVOS) and unpack the archives to

    long_rvos/{train,valid,test}/{meta_expressions.json, frame_types.json, JPEGImages/<video>/<frame>.jpg}
    long_rvos/{train,valid}/Annotations/<video>/<object>/<frame>.png    255 is the object; no file: not in this frame
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from refsam_zoo.annotations.files import Entry, read_json, separately
from refsam_zoo.data_modules.base import DataCard, ReferringDataModule
from refsam_zoo.data_modules.lv_vis import LVVIS
from refsam_zoo.data_modules.mevis import MeViS, unpacked
from refsam_zoo.data_modules.refer_youtube_vos import check_frames, parse_frames
from refsam_zoo.file_names import MASKS, find_files, natural_order
from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.masks import read_indexed

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
    pictures, annotations = unpacked(folder / "JPEGImages"), unpacked(folder / "Annotations")
    found: list[Referral] = []
    for video_id, video in read_json(folder / "meta_expressions.json")["videos"].items():
        with separately():
            Entry(video_id, video.file, video.key).name()
            frames = tuple(sorted(parse_frames(video), key=natural_order))
            check_frames(video, pictures / video_id, frames)
            source = VideoSource(pictures / video_id)
            masks = annotations / video_id if annotations.is_dir() else None
            for expression_id, expression in video["expressions"].items():
                with separately():
                    found.append(_parse_expression(expression_id, expression, video_id, frames, source, masks))
    return found


def _parse_expression(
    expression_id: str,
    entry: Entry,
    video_id: str,
    frames: tuple[str, ...],
    source: VideoSource,
    annotations: Path | None,
) -> Referral:
    Entry(expression_id, entry.file, entry.key).name()
    number = None if annotations is None else entry["obj_id"]
    kind = entry.get("type")
    return Referral(
        video_id=video_id,
        expression_id=expression_id,
        expression=entry["exp"].text(),
        object_ids=() if number is None else (number.integer(),),
        frames=frames,
        source=source,
        masks=None if number is None or annotations is None else _object_masks(number, annotations, frames),
        tags={} if kind is None else {"type": kind.text()},
    )


def _object_masks(number: Entry, annotations: Path, frames: tuple[str, ...]) -> ObjectMasks:
    """The masks of an object, whose folder has the name that the annotation file writes."""
    folder = annotations / (number.value if isinstance(number.value, str) else str(number.integer()))
    if not folder.is_dir():
        number.fail(f"the folder of its masks is missing: {folder}")
    return ObjectMasks(folder, frames)


@dataclass(frozen=True)
class ObjectMasks:
    """A folder of pictures for one object, none of a frame that does not show it; a `MaskSource`.

    Attributes:
        folder: Where `<name>.png` are; see `find_files`.
        names: One name per frame of the referral.
    """

    folder: Path
    names: tuple[str, ...]

    def read(self, positions: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """Reads masks, see `MaskSource.read`."""
        masks = np.zeros((len(positions), *size), bool)
        found = find_files(self.folder, MASKS)
        for mask, position in zip(masks, positions, strict=True):
            file = found.get(self.names[position])
            if file is not None:
                np.equal(read_indexed(file, size), OBJECT, out=mask)
        return masks
