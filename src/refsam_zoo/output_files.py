"""Files of a result: named safely, written whole or not at all, never over an earlier result."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.file_names import is_hidden

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where a disk, a share of it or a file may not grow further."""


def require_empty(folder: Path) -> None:
    """Makes sure that a folder holds no earlier result; hidden files do not count.

    Raises:
        InputError: It is a file, holds something, or cannot be looked into.
    """
    try:
        if folder.exists() and not all(is_hidden(path.name) for path in folder.iterdir()):
            raise InputError(f"{folder} is not empty; give a new folder, so that no earlier result is overwritten")
    except OSError as error:
        raise InputError(f"{folder} cannot be an output folder: {error.strerror}") from error


def next_folder(folder: Path) -> Path:
    """Gives a folder, or the one of `folder-2`, `folder-3`, ... that comes after all that are there."""
    last = max(_numbered(folder), default=0)
    return folder.with_name(f"{folder.name}-{last + 1}") if last else folder


def newest_folder(folder: Path) -> Path:
    """Gives the last that `next_folder` gave and somebody made; the folder itself where there is none."""
    found = _numbered(folder)
    return found[max(found)] if found else folder


def _numbered(folder: Path) -> dict[int, Path]:
    """Finds a folder, as number 1, and those that are named after it with a number."""
    found = {1: folder} if folder.exists() else {}
    for path in folder.parent.glob(f"{glob.escape(folder.name)}-*"):
        number = path.name.removeprefix(f"{folder.name}-")
        if number.isdecimal():
            found[int(number)] = path
    return found


def output_path(folder: Path, *names: str, suffix: str = "") -> Path:
    """Joins names that come from annotation files to a path inside a folder.

    Args:
        folder: The output folder.
        names: One name per level, such as the ids of a video and an expression.
        suffix: Appended to the last name.

    Raises:
        InputError: A name is not the plain name of one file or folder, for instance "../x".
    """
    for name in names:
        if name in ("", ".", "..") or any(character in name for character in "/\\\0"):
            raise InputError(f"{folder}: cannot write a file or folder named {name!r}; an id must be a plain name")
    return folder.joinpath(*names[:-1], names[-1] + suffix)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives the temporary name of a file that is there as a whole afterwards, or not at all; makes its folder.

    Args:
        path: The file. What is there already stays until the new one is finished.

    Yields:
        A hidden name beside it, with the same suffix, to write to; gone if the block is left by an exception.

    Raises:
        InputError: The disk is full, the folder read-only, or the like.
    """
    unfinished = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        os.replace(unfinished, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Gives a hidden folder that becomes a new or empty one at the end, or vanishes on any error or interruption.

    Args:
        folder: Where to; the folders above it are made.

    Yields:
        A folder beside it to write to.

    Raises:
        InputError: The disk is full, the place read-only, or the like.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            yield unfinished
            unfinished.chmod(0o755)  # mkdtemp makes it private
            os.replace(unfinished, folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that it is either there as a whole or not at all; makes its folder.

    Raises:
        InputError: The disk is full, the folder read-only, or the like.
    """
    with whole_file(path) as unfinished:
        unfinished.write_bytes(content)


def append_whole(path: Path, content: bytes) -> None:
    """Adds to a file all of the content or nothing; makes the file and its folder.

    Raises:
        InputError: The disk is full, the folder read-only, or the like.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                rest = memoryview(content)
                while rest:  # a disk takes what it has room for before it refuses
                    rest = rest[file.write(rest) :]
            except OSError:
                file.truncate(before)
                raise
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
