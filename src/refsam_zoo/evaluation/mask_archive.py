"""Masks of a whole data set in a folder or a zip, read the same way."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.png import decode_labels
from refsam_zoo.file_names import Spellings, is_hidden, natural_order

_SUFFIX = ".png"


@dataclass(frozen=True)
class MaskArchive:
    """The PNG files below a folder or in a zip; see `open_masks`. Safe to read from several threads.

    Attributes:
        label: What to call it in an error.
        files: Relative name without suffix, such as `video/expression/00000` -> the file; in natural order when opened.
        read_bytes: Reads a file.
        hidden: Relative names of hidden files, which are no masks; see `is_hidden`.
    """

    label: str
    files: Mapping[str, str]
    read_bytes: Callable[[str], bytes]
    hidden: tuple[str, ...] = ()

    @cached_property
    def videos(self) -> dict[str, list[str]]:
        """Folder -> names of the masks directly in it, in the order of `files`."""
        folders: dict[str, list[str]] = {}
        for name in self.files:
            folder, _, frame = name.rpartition("/")
            folders.setdefault(folder, []).append(frame)
        return folders

    def below(self, folder: str) -> MaskArchive:
        """Gives the part inside a folder, with names relative to it."""
        start = folder + "/"
        part = {name[len(start) :]: file for name, file in self.files.items() if name.startswith(start)}
        return MaskArchive(f"{self.label}/{folder}", part, self.read_bytes)

    def spelled_as(self, expected: Iterable[str]) -> MaskArchive:
        """Gives the same masks under the names that are expected, such as `00007` for `7`."""
        wanted = set(expected)
        spellings = Spellings(name for name in wanted if name not in self.files)
        names = {name: name if name in wanted else spellings.find(name) or name for name in self.files}
        if len(set(names.values())) < len(names):  # 7 and 07 cannot both be 00007
            return self
        return replace(self, files={names[name]: file for name, file in self.files.items()})

    def read(self, name: str) -> np.ndarray:
        """Reads a mask.

        Returns:
            uint8 `[H, W]`: palette indices or grey values.

        Raises:
            InputError: The file cannot be read, is damaged or no mask.
        """
        label = f"{self.label}/{name}{_SUFFIX}"
        try:
            return decode_labels(self.read_bytes(self.files[name]), label)
        except (OSError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"'{label}' cannot be read: {error}") from error


def open_masks(path: str | Path) -> MaskArchive:
    """Opens a folder or a zip of masks; a zip is read in place, nothing is unpacked.

    Raises:
        InputError: Neither a folder nor a zip file, or without a single PNG.
    """
    path = Path(path)
    if path.is_dir():
        archive = _archive(path, _files_below(path), _read_file)
    elif zipfile.is_zipfile(path):
        opened = zipfile.ZipFile(path)
        archive = _archive(path, {name: name for name in opened.namelist() if not name.endswith("/")}, opened.read)
    else:
        raise InputError(f"'{path}' is neither a folder nor a zip file")
    if not archive.files:
        raise InputError(f"there is no PNG file in '{path}'")
    return archive


def _archive(path: Path, files: dict[str, str], read_bytes: Callable[[str], bytes]) -> MaskArchive:
    hidden = tuple(sorted(filter(is_hidden, files), key=natural_order))
    found: dict[str, str] = {}
    for file in files.keys() - set(hidden):
        if file.lower().endswith(_SUFFIX):
            name = file[: -len(_SUFFIX)]
            if name in found:
                raise InputError(f"'{path}' has two masks of one name: {', '.join(sorted((found[name], file)))}")
            found[name] = file
    masks = {name: files[found[name]] for name in sorted(found, key=natural_order)}
    return MaskArchive(str(path), masks, read_bytes, hidden)


def _files_below(folder: Path) -> dict[str, str]:
    root = str(folder)
    return {
        os.path.relpath(os.path.join(parent, name), root).replace(os.sep, "/"): os.path.join(parent, name)
        for parent, _, names in os.walk(root, followlinks=True)
        for name in names
    }


def _read_file(file: str) -> bytes:
    with open(file, "rb") as opened:
        return opened.read()
