"""Values of files that nobody promises to be right, together with where they stand: errors name file and key."""

from __future__ import annotations

import codecs
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import NoReturn

from refsam_zoo.errors import InputError, nearest_name

LONGEST_NAME = 80
"""Characters of a key that messages show."""
LONGEST_PATH = 1000
"""Characters of a path in a message, which must name the file as a whole."""

LARGEST = sys.float_info.max
"""No number is larger."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,200}")

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and what they say; that of UTF-32 begins as that of UTF-16."""


@dataclass(frozen=True)
class Entry:
    """A value in an annotation file together with where it stands.

    Attributes:
        value: What was parsed.
        file: The annotation file, or its address.
        key: Dotted path of the value, empty for the whole file.
    """

    value: object
    file: Path | str
    key: str = ""

    def fail(self, wrong: str) -> NoReturn:
        """Raises an `InputError` that names file and key."""
        raise InputError(f"{self.file}: {f'{self.key}: ' if self.key else ''}{wrong}")

    def mapping(self) -> dict[str, object]:
        """The value as a mapping."""
        if not isinstance(self.value, dict):
            self.fail(f"expected a mapping, got {_kind(self.value)}")
        return self.value

    def __getitem__(self, name: str) -> Entry:
        mapping = self.mapping()
        if name not in mapping:
            there = [key for key in mapping if len(key) <= LONGEST_NAME]
            self.fail(f"the key '{name}' is missing{nearest_name(name, there[:20])}")
        return self._child(mapping[name], name)

    def __contains__(self, name: str) -> bool:
        return name in self.mapping()

    def get(self, name: str) -> Entry | None:
        """The entry of a key, None where the key is absent."""
        mapping = self.mapping()
        return self._child(mapping[name], name) if name in mapping else None

    def items(self) -> Iterator[tuple[str, Entry]]:
        """Keys and entries of a mapping, in the order of the file."""
        for name, value in self.mapping().items():
            yield name, self._child(value, name)

    def list(self) -> list[Entry]:
        """The entries of a list."""
        if not isinstance(self.value, list):
            self.fail(f"expected a list, got {_kind(self.value)}")
        return [self._child(value, str(place)) for place, value in enumerate(self.value)]

    def text(self) -> str:
        """A sentence: text that is not blank, its white space collapsed."""
        words = self.string().split()
        if not words:
            self.fail("the text is empty")
        return " ".join(words)

    def string(self) -> str:
        """Text as it stands."""
        if not isinstance(self.value, str):
            self.fail(f"expected text, got {_kind(self.value)}")
        return self.value

    def name(self) -> str:
        """Text that is the name of one file or folder; see `is_file_name`."""
        if not isinstance(self.value, str):
            self.fail(f"expected a name, got {_kind(self.value)}")
        if not is_file_name(self.value):
            self.fail(f"{_short(self.value)} cannot be the name of a file")
        return self.value

    def path(self, root: Path) -> Path:
        """A path to something in a folder, taken as it stands.

        Args:
            root: The folder that a relative path begins in, and that no path may leave.
        """
        if not self.string():
            self.fail("the path is empty")
        inside = os.path.relpath(os.path.join(os.path.abspath(root), self.string()), os.path.abspath(root))
        if PurePath(inside).parts[:1] in ((), ("..",)):
            self.fail(f"{_short(self.value)} must be a path inside the folder {root}")
        path = root / inside
        if not os.path.exists(path):
            self.fail(f"there is no {_short(str(path), LONGEST_PATH)}")
        return path

    def integer(self, smallest: int = 0, largest: int = 2**31 - 1) -> int:
        """A whole number in a range, written as a number (12 or 12.0) or as text."""
        value = self.value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            self.fail(f"expected a whole number, got {_short(value)}")
        if not smallest <= value <= largest:
            self.fail(f"{_short(value)} is not between {smallest} and {largest}")
        return value

    def is_number(self) -> bool:
        """Whether the value is a number that is neither infinite nor NaN."""
        return isinstance(self.value, int | float) and not isinstance(self.value, bool) and abs(self.value) < LARGEST

    def number(self) -> float:
        """A number that is neither infinite nor NaN."""
        if not self.is_number():
            self.fail(f"expected a number, got {_short(self.value)}")
        return float(self.value)  # type: ignore[arg-type]

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            self.fail(f"expected true or false, got {_short(self.value)}")
        return self.value

    def _child(self, value: object, name: str) -> Entry:
        name = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
        return Entry(value, self.file, f"{self.key}.{name}" if self.key else name)


def read_json(path: Path) -> Entry:
    """Parses a JSON file.

    Raises:
        InputError: The file is missing, is not UTF-8 or not JSON, or an object in it has a key twice.
    """
    return parse_json(_read(path), path)


def parse_json(content: bytes, file: Path | str) -> Entry:
    """Parses the content of a JSON file.

    Args:
        content: UTF-8 text, or any that begins with a byte order mark.
        file: Where it comes from, for messages.

    Raises:
        InputError: It is not UTF-8 or not JSON, or an object in it has a key twice.
    """
    text = _decode(content, file)
    try:
        return Entry(json.loads(text, object_pairs_hook=_distinct), file)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not JSON: {_short(error)}") from error


def read_text(path: Path, otherwise: str = "utf-8") -> str:
    """Reads a text file in UTF-8, or as its byte order mark says.

    Args:
        path: The file.
        otherwise: Encoding of files that are not UTF-8.

    Raises:
        InputError: The file is missing or is not text in this encoding.
    """
    return _decode(_read(path), path, otherwise)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the annotation file: {error.strerror}") from error


def _decode(content: bytes, file: Path | str, otherwise: str = "utf-8") -> str:
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    try:
        return content.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding is None and otherwise != "utf-8":
            return content.decode(otherwise)
        raise InputError(f"{file}: not {error.encoding.upper()} text, byte {error.start} is wrong") from error


def is_file_name(name: str) -> bool:
    """Whether a name stays in its folder on every system and can be written to disk."""
    if _PLAIN_NAME.fullmatch(name):  # as nearly all are, of which a large data set has a million
        return True
    single = PurePosixPath(name).parts == PureWindowsPath(name).parts == (name,) and not PureWindowsPath(name).anchor
    return single and name.isprintable() and name.strip(". ") != "" and len(name.encode(errors="replace")) <= 200


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {_short(twice)} stands twice in one object")
    return mapping


def _kind(value: object) -> str:
    names = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _short(value: object, longest: int = 80) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 3] + "..."
