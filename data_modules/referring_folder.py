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
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from refsam_zoo.annotations.files import Entry, is_file_name, read_json, read_table, separately
from refsam_zoo.data_modules.base import DataCard
from refsam_zoo.data_modules.holdout import HoldoutDataModule
from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.file_names import FRAMES, MASKS, Spellings, find_files
from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.masks import LARGEST_GREY_ID, PaletteMasks
from refsam_zoo.video.readers import open_video

TABLES = ("annotations.json", "annotations.csv")
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
        return {"all": partial(parse_referring_folder, root)} if any((root / name).is_file() for name in TABLES) else {}

    def referrals(self, role: str) -> list[Referral]:
        """Parses the sentences of a split, or the share of the holdout where the table has no splits."""
        found = parse_referring_folder(self.root, self.table)
        if role == "predict":
            return found
        if any("split" in referral.tags for referral in found):
            return [referral for referral in found if referral.tags.get("split") == role]
        return self.train_share(found) if role == "train" else self.held_out_share(found)


def parse_referring_folder(root: str | Path, table: str | Path | None = None) -> list[Referral]:
    """Reads the table.

    Args:
        root: Folder of the videos.
        table: A CSV or JSON file; the one of `TABLES` that is in the folder if not given.

    Raises:
        InputError: The table is missing or wrong, names a path outside the folder, a video or mask is missing, or two
            videos would have one name.
    """
    root = Path(root)
    there = [root / name for name in TABLES if (root / name).is_file()] or [root / "annotations.csv"]
    file = there[0] if table is None else Path(table)
    rows = read_json(file).list() if file.suffix == ".json" else read_table(file, ("video", "expression"))
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
        known[video] = _frames(video, row)
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


def _frames(video: Path, row: Entry) -> tuple[str, ...]:
    """Names of the frames: of the pictures, or their numbers in the video file."""
    if video.is_dir():
        names = find_files(video)
        if not names:
            row["video"].fail(f"{video} holds no {', '.join(FRAMES)} frames")
        return tuple(names)
    with open_video(VideoSource(video)) as reader:
        return tuple(f"{number:05d}" for number in range(len(reader)))


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
