"""MeViS: sentences about motion, about one object, several or none.

Download `MeViS_release` from the project page (henghuiding.com/MeViS) and unpack train.tar and the others to

    mevis/train/{meta_expressions.json, mask_dict.json, JPEGImages/<video>/<frame>.jpg}
    mevis/valid_u/{meta_expressions.json, mask_dict.json, JPEGImages/...}
    mevis/valid/{meta_expressions.json, JPEGImages/...}

`valid_u` has public masks and serves for validation and test; `valid` is what the server scores, for `predict`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from refsam_zoo.annotations.files import Entry, read_json, separately
from refsam_zoo.data_modules.base import ReferringDataModule
from refsam_zoo.data_modules.refer_youtube_vos import check_frames, parse_frames
from refsam_zoo.file_names import natural_order
from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.run_lengths import RunLengthMasks, Segmentation
from refsam_zoo.video.segmentations import parse_segmentation


class MeViS(ReferringDataModule):
    """MeViS; options as in `ReferringDataModule`."""

    title = "MeViS"
    page = "mevis.md"
    how_to_get = "download MeViS from henghuiding.com/MeViS and unpack train, valid_u and valid into this folder"
    protocols = ("mevis",)

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`; a tree with `train` alone counts as LV-VIS, which looks the same."""
        root = Path(root)
        found = mevis_splits(root, ("train", "valid_u", "valid"))
        return found if set(found) - {"train"} else {}

    def referrals(self, role: str) -> list[Referral]:
        """Parses `train`, `valid_u` (for `val` and `test`) or `valid` (for `predict`)."""
        return parse_mevis(self.root, {"train": "train", "predict": "valid"}.get(role, "valid_u"))


def mevis_splits(root: Path, names: Sequence[str]) -> dict[str, Callable[[], list[Referral]]]:
    """The splits of these names that have sentences, with their parsers."""
    there = [name for name in names if (root / name / "meta_expressions.json").is_file()]
    return {name: partial(parse_mevis, root, name) for name in there}


def parse_mevis(root: str | Path, split: str) -> list[Referral]:
    """Reads the sentences of a split, with masks where the split has a `mask_dict.json`.

    Raises:
        InputError: An annotation file is missing or wrong, or a video or frame it names is missing.
    """
    root = Path(root)
    folder = root / split
    masks = folder / "mask_dict.json"
    objects = MaskDict(masks) if masks.is_file() else None
    return parse_expressions(folder / "meta_expressions.json", objects, FrameFolders(folder / "JPEGImages"))


@dataclass(frozen=True)
class FrameFolders:
    """Finds the pixels of a video in `<pictures>/<video>/<frame>.jpg`."""

    pictures: Path

    def __call__(self, video: Entry, video_id: str, frames: tuple[str, ...]) -> VideoSource:
        """Gives the folder of a video after making sure that its frames exist."""
        check_frames(video, self.pictures / video_id, frames)
        return VideoSource(self.pictures / video_id)


def parse_expressions(
    file: Path, objects: MaskDict | None, find: Callable[[Entry, str, tuple[str, ...]], VideoSource]
) -> list[Referral]:
    """Reads sentences in the format of MeViS, which ReVOS, LV-VIS and Ref-SAV share.

    Args:
        file: `{"videos": {video: {"frames": [name], "expressions": {id: {"exp", "obj_id": [..], "anno_id": [..]}}}}}`;
            a sentence speaks of the union of its annotations. A `type_id` becomes the tag `type`.
        objects: The annotations; None where there is no ground truth.
        find: Says where the pixels of a video are, given its entry, its name and its frames.

    Raises:
        InputError: The file is missing or wrong, or a video or frame it names is missing.
    """
    found: list[Referral] = []
    for video_id, video in read_json(file)["videos"].items():
        with separately():
            Entry(video_id, file, video.key).name()
            frames = tuple(sorted(parse_frames(video), key=natural_order))
            source = find(video, video_id, frames)
            for expression_id, expression in video["expressions"].items():
                with separately():
                    found.append(_parse_expression(expression_id, expression, video_id, frames, source, objects))
    return found


def _parse_expression(
    expression_id: str,
    entry: Entry,
    video_id: str,
    frames: tuple[str, ...],
    source: VideoSource,
    objects: MaskDict | None,
) -> Referral:
    Entry(expression_id, entry.file, entry.key).name()
    masks: RunLengthMasks | None = None
    object_ids: tuple[int, ...] = ()
    if objects is not None:
        object_ids = tuple(number.integer() for number in entry["obj_id"].list())
        masks = RunLengthMasks(
            objects.file, tuple(objects.get(number, len(frames)) for number in entry["anno_id"].list())
        )
    kind = entry.get("type_id")
    return Referral(
        video_id=video_id,
        expression_id=expression_id,
        expression=entry["exp"].text(),
        object_ids=object_ids,
        frames=frames,
        source=source,
        masks=masks,
        tags={} if kind is None else {"type": str(kind.integer())},
    )


class MaskDict:
    """The annotations of a `mask_dict.json`: `{id: [mask or null for each frame, in natural order]}`.

    Args:
        file: The file, masks in it in COCO's forms; it is parsed at once, an annotation when it is asked for.

    Raises:
        InputError: The file is missing or not JSON.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._entries = read_json(file)
        self._entries.mapping()
        self._parsed: dict[int, tuple[Segmentation | None, ...]] = {}

    def get(self, number: Entry, frames: int) -> tuple[Segmentation | None, ...]:
        """The masks of an annotation, one per frame."""
        annotation_id = number.integer()
        if annotation_id not in self._parsed:
            entry = self._entries.get(str(annotation_id))
            if entry is None:
                number.fail(f"there is no annotation {annotation_id} in {self.file}")
            self._parsed[annotation_id] = tuple(
                None if item.value is None else parse_segmentation(item) for item in entry.list()
            )
        found = self._parsed[annotation_id]
        if len(found) != frames:
            number.fail(f"annotation {annotation_id} has {len(found)} masks in {self.file}, the video {frames} frames")
        return found
