"""The one rule by which files of frames and masks are found by name and put in order.

Data sets, readers, evaluation and the command line all ask here, so that what one of them finds the others open.
"""

from __future__ import annotations

import os
import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from refsam_zoo.errors import InputError

FRAMES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
"""Suffixes of pictures that may be frames, in small letters; files may have them in capitals too."""
MASKS = (".png",)
"""Suffixes of masks."""
_SYSTEM_FILES = ("thumbs.db", "desktop.ini", "__macosx")
_SETTLED = 2 * 10**9
"""Nanoseconds after which a change of a folder shows in its time stamp on every file system."""

Order = tuple[tuple[tuple[str | tuple[int, str], ...], str], ...]


def natural_order(name: str) -> Order:
    """Sort key of a name or relative path: numbers in it count by their value, so that frame 9 comes before frame 10.

    The order is total: of names that differ only in leading zeros, such as `1` and `01`, the longer one comes first.
    Folders keep their files together.
    """
    return tuple(map(_order, name.split("/")))


def is_hidden(path: str) -> bool:
    """Whether macOS, Windows or a program put a file there for itself: `._x`, `.DS_Store`, `__MACOSX`, `Thumbs.db`, ...

    Args:
        path: Name of a file, or its path below the folder or in the zip that was given.
    """
    return any(part.startswith(".") or part.lower() in _SYSTEM_FILES for part in path.split("/"))


class Spellings:
    """Finds names that may be written with or without leading zeros, such as `7` for `00007`.

    Args:
        names: The names that there are; of paths such as `video/00007` only the last part may be spelled differently.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = dict.fromkeys(names)

    @cached_property
    def _alike(self) -> dict[object, list[str]]:
        alike: dict[object, list[str]] = {}
        for name in self.names:
            alike.setdefault(_meaning(name), []).append(name)
        return alike

    def find(self, name: str) -> str | None:
        """Says how a name is spelled here; None where there is none like it, or more than one."""
        if name in self.names:
            return name
        alike = self._alike.get(_meaning(name), [])
        return alike[0] if len(alike) == 1 else None


class FoundFiles(Mapping[str, Path]):
    """Files of a folder by their names without suffix, in natural order; see `find_files`."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files
        self._spellings = Spellings(files)

    def __getitem__(self, name: str) -> Path:
        spelled = self._spellings.find(name)
        if spelled is None:
            raise KeyError(name)
        return self._files[spelled]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def find_files(folder: Path, suffixes: Sequence[str] = FRAMES) -> FoundFiles:
    """Finds the frames or masks of a folder.

    Hidden files (`is_hidden`) are left out. A name is found as it is spelled, or else with other leading zeros.

    Args:
        folder: Where to look; not in its subfolders.
        suffixes: What the files end in, in small letters.

    Raises:
        InputError: There is no such folder, or two files have the same name but for the suffix.
    """
    try:
        changed = folder.stat().st_mtime_ns
        if time.time_ns() - changed < _SETTLED:
            return _list(folder, tuple(suffixes))
        return _list_once(folder, tuple(suffixes), changed)
    except OSError as error:
        raise InputError(f"{folder}: cannot list the folder: {error.strerror}") from error


def _list(folder: Path, suffixes: tuple[str, ...]) -> FoundFiles:
    files: dict[str, list[str]] = {}
    with os.scandir(folder) as entries:
        # a link to nothing stays in: its name says that a frame belongs there
        there = [entry.name for entry in entries if entry.name.lower().endswith(suffixes) and not entry.is_dir()]
    for file in there:
        if not is_hidden(file):
            files.setdefault(os.path.splitext(file)[0], []).append(file)
    for name in sorted(files, key=natural_order):
        if len(files[name]) > 1:
            first, second, *_ = sorted(files[name])
            raise InputError(
                f"{folder}: {first} and {second} have the same name; keep one of them, and masks in another folder"
            )
    return FoundFiles({name: folder / files[name][0] for name in sorted(files, key=natural_order)})


@lru_cache(maxsize=256)
def _list_once(folder: Path, suffixes: tuple[str, ...], changed: int) -> FoundFiles:
    """As `_list`, remembered as long as the folder is unchanged: one of COCO's has 82783 pictures."""
    return _list(folder, suffixes)


@lru_cache(maxsize=2**16)
def _order(part: str) -> tuple[tuple[str | tuple[int, str], ...], str]:
    """Remembered, since the masks of a data set have few different names in many folders."""
    return _pieces(part), part


def _pieces(name: str) -> tuple[str | tuple[int, str], ...]:
    """Text and numbers in turn; numbers of any length as (digits, number without leading zeros)."""
    pieces: list[str | tuple[int, str]] = []
    for place, piece in enumerate(re.split(r"(\d+)", name)):
        number = _ascii(piece).lstrip("0") if place % 2 else ""
        pieces.append((len(number), number) if place % 2 else piece)
    return tuple(pieces)


def _ascii(digits: str) -> str:
    """Decimal digits of any script as 0 to 9."""
    return digits if digits.isascii() else "".join(str(unicodedata.decimal(digit)) for digit in digits)


def _meaning(name: str) -> object:
    folder, _, last = name.rpartition("/")
    return folder, _pieces(last)
