"""Your own data: a folder of videos with one table of sentences.

    my_data/annotations.csv      or annotations.json, a list of objects with the same keys
    my_data/...                  videos and masks, named in the table relative to this folder

Columns:

    video        a video file, or a folder of frames (JPEG, PNG, WebP, BMP or TIFF)
    expression   the sentence
    mask         folder of indexed or grey PNG files named as the frames, or by the number of the frame (from 0) for a
                 video file, with any number of leading zeros; only frames with a mask are used. Empty where there is no
                 ground truth.
    object_ids   optional: ids in the masks that are meant, separated by spaces; every id but 0 if empty
    split        optional: train, val or test; without the column some videos are held out for val and test

In the place of the table it reads what labelling tools export, see `docs/data/referring_folder.md`:

    my_data/annotations.json     COCO, YouTube-VIS or Label Studio
    my_data/annotations.xml      CVAT for video
    my_data/<video>/<frame>.json beside the pictures: X-AnyLabeling
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from refsam_zoo.annotations.coco_json import read_coco
from refsam_zoo.annotations.cvat import read_cvat
from refsam_zoo.annotations.files import Entry, is_file_name, read_json, read_table, separately
from refsam_zoo.annotations.label_studio import read_label_studio
from refsam_zoo.annotations.labelled_videos import LabelledVideo, LabelledVideos, frame_names
from refsam_zoo.annotations.x_anylabeling import label_files, read_x_anylabeling
from refsam_zoo.data_modules.base import DataCard
from refsam_zoo.data_modules.holdout import HoldoutDataModule
from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.file_names import MASKS, Spellings, find_files
from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.masks import LARGEST_GREY_ID, PaletteMasks
from refsam_zoo.video.run_lengths import RunLengthMasks

_logger = logging.getLogger(__name__)

TABLES = ("annotations.json", "annotations.csv", "annotations.xml")
COLUMNS = ("video", "expression")
SPLITS = ("train", "val", "test")
ANY_OBJECT = tuple(range(1, 256))
"""What a referral to whatever its masks show says about its objects, whose ids only the masks tell."""


class ReferringFolder(HoldoutDataModule):
    """Your own videos and sentences; prediction takes every sentence.

    Args:
        root: Folder of the videos.
        table: The table, where it is not `annotations.csv` or `annotations.json` in the folder: what `predict` writes,
            for instance.
        **kwargs: Options of `HoldoutDataModule`.
    """

    title = "your own videos"
    page = "referring_folder.md"
    card = DataCard(licence="yours", train="column `split` or a holdout", evaluation="likewise", prediction="all")
    how_to_get = "make it: a folder of videos with annotations.csv (columns video, expression, mask)"

    def __init__(self, root: str | Path, table: str | Path | None = None, **kwargs: Any) -> None:
        root, table = Path(root), None if table is None else Path(table)
        super().__init__(root, **kwargs)
        self.table = table

    @classmethod
    def splits(cls, root: str | Path) -> Mapping[str, Callable[[], list[Referral]]]:
        """See `ReferringDataModule.splits`; the whole table."""
        root = Path(root)
        there = any((root / name).is_file() for name in TABLES) or any(label_files(root))
        return {"all": partial(parse_referring_folder, root)} if there else {}

    def referrals(self, role: str) -> list[Referral]:
        """Parses the sentences of a split, or the share of the holdout where the table has no splits."""
        found = parse_referring_folder(self.root, self.table)
        if role == "predict":
            return found
        if any("split" in referral.tags for referral in found):
            return [referral for referral in found if referral.tags.get("split") == role]
        if len({referral.video_id for referral in found}) == 1:  # nothing is left to hold out
            if role == "train":
                _logger.warning("%s has one video: scores are of the video that is trained on", self.root)
            return found
        return self.train_share(found) if role == "train" else self.held_out_share(found)


def parse_referring_folder(root: str | Path, table: str | Path | None = None) -> list[Referral]:
    """Reads the table, or what a labelling tool has exported.

    Args:
        root: Folder of the videos.
        table: A CSV, JSON or XML file; the one of `TABLES` that is in the folder if not given, or else the files of
            X-AnyLabeling.

    Raises:
        InputError: The table is missing or wrong, names a path outside the folder, a video or mask is missing, or two
            videos would have one name.
    """
    root = Path(root)
    there = [root / name for name in TABLES if (root / name).is_file()]
    if table is None and not there and any(label_files(root)):
        return _labelled_referrals(root, read_x_anylabeling(root), root)
    file = Path(table) if table is not None else there[0] if there else root / "annotations.csv"
    if file.suffix == ".xml":
        return _labelled_referrals(root, read_cvat(file, root), file)
    if file.suffix == ".json":
        content = read_json(file)
        if isinstance(content.value, dict):
            return _labelled_referrals(root, read_coco(content, root), file)
        if _is_label_studio(content.value):
            return _labelled_referrals(root, read_label_studio(content, root), file)
    return _table_referrals(root, content.list() if file.suffix == ".json" else read_table(file, COLUMNS))


def _is_label_studio(content: object) -> bool:
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and "data" in first and "annotations" in first


def _labelled_referrals(root: Path, videos: LabelledVideos, file: Path) -> list[Referral]:
    """Makes a referral of every sentence about every video, in the frames that were looked at."""
    found: list[Referral] = []
    for video in videos.found.values():
        with separately():
            looked_at = _looked_at(video)
            frames = tuple(looked_at)
            indices = None if video.path.is_dir() else tuple(map(int, frames))
            for number, sentence in enumerate(video.sentences if frames else (), 1):
                shapes = video.shapes(sentence, tuple(looked_at.values()))
                found.append(
                    Referral(
                        video_id=video_id(video.path.relative_to(root)),
                        expression_id=str(len(found)),
                        expression=sentence,
                        object_ids=(number,),
                        frames=frames,
                        source=VideoSource(video.path, indices),
                        masks=RunLengthMasks(file, shapes),
                    )
                )
    _refuse_shared_ids(root, videos.found)
    return found


def _looked_at(video: LabelledVideo) -> dict[str, str]:
    """Names of the frames that were looked at, in their order -> how the file spells them."""
    if not video.frames:
        return {}
    names = frame_names(video.path, next(iter(video.frames.values())))
    there, spelled = Spellings(names), dict[str, str]()
    for frame, entry in video.frames.items():
        name = there.find(frame)
        if name is None:
            entry.fail(f"there is no frame {frame} in {video.path}")
        if name in spelled:
            entry.fail(f"frame {frame} of {video.path} is there twice, once as {spelled[name]}")
        spelled[name] = frame
    return {name: spelled[name] for name in names if name in spelled}


def _table_referrals(root: Path, rows: Sequence[Entry]) -> list[Referral]:
    known: dict[Path, tuple[str, ...]] = {}
    found: list[Referral] = []
    for number, row in enumerate(rows):
        with separately():
            found.append(_parse_row(root, row, str(number), known))
    _refuse_shared_ids(root, known)
    return found


def _refuse_shared_ids(root: Path, videos: Iterable[Path]) -> None:
    """Makes sure that no two videos would lie in one folder of results: `a/b` and `a-b` would."""
    named: dict[str, Path] = {}
    for video in videos:
        path = video.relative_to(root)
        other = named.setdefault(video_id(path), path)
        if other != path:
            raise InputError(
                f"{root}: videos '{other}' and '{path}' would both be called '{video_id(path)}'; rename one"
            )


def _parse_row(root: Path, row: Entry, expression_id: str, known: dict[Path, tuple[str, ...]]) -> Referral:
    video = row["video"].path(root)
    if video not in known:
        known[video] = frame_names(video, row["video"])
    frames = known[video]
    object_ids: tuple[int, ...] | None = ()
    masks: PaletteMasks | None = None
    if mask := _cell(row, "mask"):
        folder = mask.path(root)
        frames, object_ids = _masked_frames(folder, frames, mask), _object_ids(row)
        masks = PaletteMasks(folder, frames, object_ids)
    split = _cell(row, "split")
    if split and split.value not in SPLITS:
        split.fail(f"unknown split '{split.value}'{nearest_name(str(split.value), SPLITS)}")
    return Referral(
        video_id=video_id(video.relative_to(root)),
        expression_id=expression_id,
        expression=row["expression"].text(),
        object_ids=ANY_OBJECT if object_ids is None else object_ids,
        frames=frames,
        source=VideoSource(video, None if video.is_dir() else tuple(int(frame) for frame in frames)),
        masks=masks,
        tags={"split": str(split.value)} if split else {},
    )


def _cell(row: Entry, column: str) -> Entry | None:
    entry = row.get(column)
    return None if entry is None or entry.value in (None, "") else entry


def video_id(path: PurePath) -> str:
    """Names a video after its path below the root, so that its results can lie in a folder of this name anywhere.

    Ordinary names are left as they are. A character that leaves the folder, hides it or cannot be shown is written as
    in web addresses (a line break is `%0A`), and so is a `%` that would be mistaken for such.
    """
    name = _UNSAFE.sub(lambda found: _escape(found.group()), "-".join(path.parts))
    name = "".join(character if character.isprintable() else _escape(character) for character in name)
    if is_file_name(name):
        return name
    # The longest names of folders are shorter than the longest paths.
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name.encode()[:150].decode(errors='ignore')}-{digest}"


_UNSAFE = re.compile(r"%(?=[0-9A-Fa-f]{2})|^[. ]|(?<=^.):|\\")


def _escape(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in os.fsencode(character))


def _masked_frames(folder: Path, frames: tuple[str, ...], entry: Entry) -> tuple[str, ...]:
    """Names of the frames that have a mask."""
    if not folder.is_dir():
        entry.fail(f"{folder} is not a folder of PNG files")
    masks = find_files(folder, MASKS)
    if not masks:
        entry.fail(f"{folder} holds no .png masks")
    there = Spellings(frames)
    masked: dict[str, Path] = {}
    for mask, file in masks.items():
        frame = there.find(mask)
        if frame is None:
            raise InputError(f"{file}: there is no such frame in its video")
        if frame in masked:
            raise InputError(f"{file}: frame {frame} has another mask, {masked[frame].name}")
        masked[frame] = file
    return tuple(frame for frame in frames if frame in masked)


def _object_ids(row: Entry) -> tuple[int, ...] | None:
    cell = _cell(row, "object_ids")
    if cell is None:
        return None
    values = cell.list() if isinstance(cell.value, list) else _words(cell)
    return tuple(value.integer(1, LARGEST_GREY_ID) for value in values)


def _words(cell: Entry) -> list[Entry]:
    return [Entry(word, cell.file, cell.key) for word in str(cell.value).split()]
