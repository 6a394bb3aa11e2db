"""MeViS: sentences about motion, about one object, several or none.

Download `MeViS_release` from the project page (henghuiding.com/MeViS), or version 2 from where that links to, and
unpack JPEGImages.tar of each split to

    mevis/train/{meta_expressions.json, mask_dict.json, JPEGImages/<video>/<frame>.jpg}
    mevis/valid_u/{meta_expressions.json, mask_dict.json, JPEGImages/...}
    mevis/valid/{meta_expressions.json, JPEGImages/...}

Version 2 has the same videos with more sentences, in `meta_expressions_v2.json` or `meta_expressions_v2_release.json`.
`valid_u` has public masks and serves for validation and test; `valid` is what the server scores, for `predict`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from typing_extensions import Self

from refsam_zoo.annotations.files import Entry, read_json
from refsam_zoo.annotations.meta_expressions import FrameFolders, parse_meta_expressions, unpacked
from refsam_zoo.data_modules.base import DataCard, ReferringDataModule
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.run_lengths import RunLengthMasks, Segmentation
from refsam_zoo.video.segmentations import parse_segmentation

Version = Literal[1, 2]
"""Of the sentences of MeViS."""

FILES: Mapping[Version, Sequence[str]] = {
    1: ("meta_expressions.json",),
    2: ("meta_expressions_v2.json", "meta_expressions_v2_release.json"),
}
"""Names that the sentences of a version have, where a split has them."""

SPLITS = ("train", "valid_u", "valid")


class MeViS(ReferringDataModule):
    """MeViS.

    Args:
        root: Folder of the data set.
        version: Of the sentences, 1 or 2; needed where the folder has both.
        **kwargs: Options of `ReferringDataModule`.
    """

    title = "MeViS"
    page = "mevis.md"
    card = DataCard(
        licence="CC-BY-NC-SA-4.0",
        size="15.5 GB (train)",
        videos="1852",
        sentences="26 080; 30 932 in version 2",
        evaluation="valid_u",
    )
    how_to_get = "download MeViS from henghuiding.com/MeViS and unpack train, valid_u and valid into this folder"
    protocols = ("mevis", "mevis_v2")

    def __init__(self, root: str | Path, version: Version | None = None, **kwargs: Any) -> None:
        root = Path(root)
        super().__init__(root, **kwargs)
        self.version: Version | None = version

    @classmethod
    def versions(cls, root: str | Path) -> list[Version]:
        """Versions whose sentences a folder has, from the names of its files alone."""
        root = Path(root)
        return [version for version in FILES if any(expressions_file(root, split, version) for split in SPLITS)]

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`; a tree with `train` of version 1 alone counts as LV-VIS, which looks alike.

        Where both versions are there, a split is called `valid_u v1` or `valid_u v2`.
        """
        root = Path(root)
        versions = cls.versions(root)
        found = {
            f"{split} v{version}" if len(versions) > 1 else split: parse
            for version in versions
            for split, parse in mevis_splits(root, SPLITS, version).items()
        }
        return {} if list(found) == ["train"] and versions == [1] else found

    @classmethod
    def of_folder(cls, root: str | Path) -> Self:
        """See `ReferringDataModule.of_folder`; the newest version that is there."""
        return cls(root, version=max(cls.versions(root), default=None), text_blind=False)

    @classmethod
    def protocol_of(cls, root: str | Path, split: str) -> str | None:
        """See `ReferringDataModule.protocol_of`; version 2 has its own."""
        return "mevis_v2" if split.endswith(" v2") or cls.versions(root) == [2] else "mevis"

    @property
    def protocol(self) -> str | None:
        """See `ReferringDataModule.protocol`."""
        return self.protocol_of(self.root, f"test v{self.version}" if self.version else "test")

    def referrals(self, role: str) -> list[Referral]:
        """Parses `train`, `valid_u` (for `val` and `test`) or `valid` (for `predict`).

        Raises:
            InputError: Both versions are there and none was chosen, or an annotation file is missing or wrong.
        """
        split = {"train": "train", "predict": "valid"}.get(role, "valid_u")
        return parse_mevis(self.root, split, self.version or self._only_version())

    def _only_version(self) -> Version:
        versions = self.versions(self.root)
        if len(versions) > 1:
            raise InputError(
                f"{self.root}: versions 1 and 2 of MeViS are there; say which with version (--data.version 2)"
            )
        return versions[0] if versions else 1


def expressions_file(root: Path, split: str, version: Version) -> Path | None:
    """Where the sentences of a split are; None if it has none of this version."""
    return next((root / split / name for name in FILES[version] if (root / split / name).is_file()), None)


def mevis_splits(root: Path, names: Sequence[str], version: Version = 1) -> dict[str, Callable[[], list[Referral]]]:
    """The splits of these names that have sentences of a version, with their parsers."""
    there = [name for name in names if expressions_file(root, name, version)]
    return {name: partial(parse_mevis, root, name, version) for name in there}


def parse_mevis(root: str | Path, split: str, version: Version = 1) -> list[Referral]:
    """Reads the sentences of a split, with masks where the split has a `mask_dict.json`.

    With masks, sentences of version 2 have the tag `kind`: `target`, or `no target` where they name no object.

    Raises:
        InputError: An annotation file is missing or wrong, a video or frame it names is missing, or the frames are
            still in their archive.
    """
    root = Path(root)
    folder = root / split
    masks = folder / "mask_dict.json"
    objects = MaskDict(masks) if masks.is_file() else None
    file = expressions_file(root, split, version) or folder / FILES[version][0]
    found = parse_expressions(file, objects, FrameFolders(unpacked(folder / "JPEGImages")))
    if version == 1 or objects is None:
        return found
    return [replace(each, tags={**each.tags, "kind": "target" if each.object_ids else "no target"}) for each in found]


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
    return parse_meta_expressions(file, find, partial(_complete, objects))


def _complete(objects: MaskDict | None, entry: Entry, referral: Referral) -> Referral:
    kind = entry.get("type_id")
    tagged = replace(referral, tags={} if kind is None else {"type": str(kind.integer())})
    if objects is None:
        return tagged
    object_ids = tuple(number.integer() for number in entry["obj_id"].list())
    return replace(tagged, object_ids=object_ids, masks=objects.union(entry["anno_id"], len(referral.frames)))


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

    def union(self, numbers: Entry, frames: int) -> RunLengthMasks:
        """The masks of a list of annotations together."""
        return RunLengthMasks(self.file, tuple(self.get(number, frames) for number in numbers.list()))

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
