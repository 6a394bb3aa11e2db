"""A JSON file that can be read after every entry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from refsam_zoo.errors import InputError
from refsam_zoo.output_files import write_whole

_END = b"\n]}\n"
_BLOCK = 2**20


class GrowingJson:
    """An object whose last value is a list, one entry a line: the next one takes the place of the file's end.

    Args:
        path: The file; it and its folder are made.
        head: What stands before the list.
        key: Name of the list.
        go_on: Whether to continue a file that is there, if it begins in the same way.

    Attributes:
        entries: How many there are.

    Raises:
        InputError: The file cannot be written.
    """

    def __init__(self, path: Path, head: Mapping[str, Any], key: str, go_on: bool = False) -> None:
        self._path = path
        begin = json_bytes(head)[:-1] + b", " + json_bytes(key) + b": ["
        found = _entries(path, begin) if go_on else None
        if found is None:
            write_whole(path, begin + _END)
        self.entries = found or 0

    def append(self, entry: Any) -> None:
        """Adds an entry, all of it or nothing.

        Raises:
            InputError: The disk is full, or the like.
        """
        content = (b"," if self.entries else b"") + b"\n" + json_bytes(entry) + _END
        try:
            with self._path.open("r+b", buffering=0) as file:
                end = file.seek(-len(_END), 2)
                try:
                    rest = memoryview(content)
                    while rest:  # a disk takes what it has room for before it refuses
                        rest = rest[file.write(rest) :]
                except OSError:
                    file.seek(end)
                    file.write(_END)
                    file.truncate()
                    raise
        except OSError as error:
            raise InputError(f"{self._path} cannot be written: {error.strerror or error}") from error
        self.entries += 1


def json_bytes(value: Any) -> bytes:
    """Writes a value in one line; names of files that are no text, as JSON reads them too."""
    return json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace")


def _entries(path: Path, begin: bytes) -> int | None:
    """Counts the entries of a file with this beginning; None where it is not such a file."""
    try:
        with path.open("rb") as file:
            if file.read(len(begin)) != begin:
                return None
            lines = sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))
            file.seek(-len(_END), 2)
            return lines - _END.count(b"\n") if file.read() == _END else None
    except OSError:
        return None
