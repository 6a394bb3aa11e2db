"""ReasonVOS: sentences that need reasoning, about one object each, in videos of four other data sets; for evaluation.

Download it as VideoLISA (showlab/VideoLISA) says, to

    ReasonVOS/meta_expressions.json, or meta_expressions_v2.json
    ReasonVOS/JPEGImages/<video>/<frame>.jpg
    ReasonVOS/Annotations/<source>_<video>_<object>/<frame>.png    above 0 is the object

The sentences of a video are a list of `{"obj_id", "exp_id", "exp_text"}` there, below `videos` or at the top, or, in
the copy `_v2`, a mapping `{id: {"exp", "obj_id": [..], "anno_id": ["<source>_<video>_<object>"]}}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from refsam_zoo.annotations.files import Entry, Expressions, read_json, separately
from refsam_zoo.annotations.meta_expressions import FrameFolders, parse_frames, unpacked
from refsam_zoo.data_modules.base import DataCard, ReferringDataModule
from refsam_zoo.errors import InputError
from refsam_zoo.file_names import natural_order
from refsam_zoo.types import Referral
from refsam_zoo.video.masks import BinaryMasks

FILES = ("meta_expressions.json", "meta_expressions_v2.json")
"""Names that the sentences have; the first one that is there is read."""


class ReasonVOS(ReferringDataModule):
    """ReasonVOS, for validation, test and prediction; options as in `ReferringDataModule`."""

    title = "ReasonVOS"
    page = "reason_vos.md"
    card = DataCard(licence="research only", train="-", evaluation="all", prediction="all")
    how_to_get = "download ReasonVOS as github.com/showlab/VideoLISA says"
    protocols = ("reason_vos",)

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`."""
        root = Path(root)
        there = any((root / name).is_file() for name in FILES) and (root / "Annotations").is_dir()
        return {"test": partial(parse_reason_vos, root)} if there else {}

    def referrals(self, role: str) -> list[Referral]:
        """Parses all of it.

        Raises:
            InputError: A file is missing or wrong, or the role is `train`.
        """
        if role == "train":
            raise InputError(f"{self.root}: ReasonVOS is for evaluation; train on another data set")
        return parse_reason_vos(self.root)


def parse_reason_vos(root: str | Path) -> list[Referral]:
    """Reads the sentences.

    A referral has the names of the official predictions, `<source>_<video>_<object>` as its video and `exp_id` as its
    expression. It is scored on the frames that the folder of its object has pictures of, as officially.

    Raises:
        InputError: A file is missing or wrong, or a video, frame or folder of masks is missing.
    """
    root = Path(root)
    file = next((root / name for name in FILES if (root / name).is_file()), root / FILES[0])
    content, pictures, known = read_json(file), FrameFolders(unpacked(root / "JPEGImages")), Expressions()
    found: list[Referral] = []
    for video_id, video in (content.get("videos") or content).items():
        with separately():
            Entry(video_id, file, video.key).name()
            frames = tuple(sorted(parse_frames(video), key=natural_order))
            source = pictures(video, video_id, frames)
            expressions, listed = video["expressions"], isinstance(video["expressions"].value, list)
            for entry in expressions.list() if listed else [entry for _, entry in expressions.items()]:
                with separately():
                    asked = _listed(entry, video, video_id) if listed else _mapped(entry)
                    masks = BinaryMasks(root / "Annotations" / asked.folder.name(), frames)
                    if not masks.folder.is_dir():
                        asked.folder.fail(f"the folder of its masks is missing: {masks.folder}")
                    there = masks.there()
                    referral = Referral(
                        video_id=asked.folder.name(),
                        expression_id=known.add(asked.folder.name(), asked.name.name(), entry),
                        expression=asked.text.text(),
                        object_ids=(asked.object_id.integer(),),
                        frames=frames,
                        source=source,
                        masks=masks,
                        scored=None if len(there) == len(frames) else there,
                    )
                    found.append(referral)
    return found


class _Asked(NamedTuple):
    """Entries of a sentence, of its object, of its id, and of the folder of its masks."""

    text: Entry
    object_id: Entry
    name: Entry
    folder: Entry


def _listed(entry: Entry, video: Entry, video_id: str) -> _Asked:
    number, name = entry["obj_id"], entry["exp_id"]
    folder = f"{video['source'].name()}_{video_id}_{number.integer()}"
    return _Asked(
        entry["exp_text"], number, Entry(str(name.integer()), name.file, name.key), Entry(folder, entry.file, entry.key)
    )


def _mapped(entry: Entry) -> _Asked:
    object_ids, folders = entry["obj_id"].list(), entry["anno_id"].list()
    if len(object_ids) != 1 or len(folders) != 1:
        entry.fail("a sentence is about one object: obj_id and anno_id have one item")
    return _Asked(entry["exp"], object_ids[0], Entry(entry.key.rpartition(".")[2], entry.file, entry.key), folders[0])
