"""Reading annotation files that nobody promises to be right: every error names the file and the key."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from refsam_zoo.errors import InputError, nearest_name

_PROBLEMS: ContextVar[list[str] | None] = ContextVar("problems", default=None)

LONGEST_NAME = 80
"""Characters of a key that messages show."""


@contextmanager
def collect_problems() -> Iterator[list[str]]:
    """Inside, whatever is parsed `separately` costs only itself when it is wrong; gives the list of what was wrong."""
    problems: list[str] = []
    token = _PROBLEMS.set(problems)
    try:
        yield problems
    finally:
        _PROBLEMS.reset(token)


@contextmanager
def separately() -> Iterator[None]:
    """Parses a part on which no other depends: an error leaves out this part inside `collect_problems`.

    Raises:
        InputError: The part is wrong and problems are not collected.
    """
    try:
        yield
    except InputError as error:
        problems = _PROBLEMS.get()
        if problems is None:
            raise
        problems.append(str(error))


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
        if not isinstance(self.value, str):
            self.fail(f"expected text, got {_kind(self.value)}")
        words = self.value.split()
        if not words:
            self.fail("the text is empty")
        return " ".join(words)

    def name(self) -> str:
        """Text that is safe as the name of a file: no separators, not `.` or `..`."""
        if not isinstance(self.value, str):
            self.fail(f"expected a name, got {_kind(self.value)}")
        if not is_file_name(self.value):
            self.fail(f"{_short(self.value)} cannot be the name of a file")
        return self.value

    def integer(self, smallest: int = 0, largest: int = 2**31 - 1) -> int:
        """A whole number in a range, written as a number or as text."""
        value = self.value
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            self.fail(f"expected a whole number, got {_short(value)}")
        if not smallest <= value <= largest:
            self.fail(f"{_short(value)} is not between {smallest} and {largest}")
        return value

    def _child(self, value: object, name: str) -> Entry:
        name = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
        return Entry(value, self.file, f"{self.key}.{name}" if self.key else name)


class Expressions:
    """Makes sure that no expression of a video comes twice where a format leaves room for it."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], str] = {}

    def add(self, video_id: str, expression_id: str, entry: Entry) -> str:
        """Gives the id of an expression back, or raises an `InputError` where it is known."""
        first = self._places.setdefault((video_id, expression_id), entry.key)
        if first != entry.key:
            entry.fail(f"expression {expression_id} of {video_id} is there already: {first}")
        return expression_id


def read_json(path: Path) -> Entry:
    """Parses a JSON file.

    Raises:
        InputError: The file is missing, is not UTF-8 or not JSON, or an object in it has a key twice.
    """
    return parse_json(_read(path), path)


def parse_json(content: bytes, file: Path | str) -> Entry:
    """Parses the content of a JSON file.

    Args:
        content: UTF-8 text, with or without a byte order mark.
        file: Where it comes from, for messages.

    Raises:
        InputError: It is not UTF-8 or not JSON, or an object in it has a key twice.
    """
    text = _decode(content, file, "utf-8-sig")
    try:
        return Entry(json.loads(text, object_pairs_hook=_distinct), file)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: not JSON: {_short(error)}") from error


def read_lines(path: Path, encoding: str = "utf-8") -> list[Entry]:
    """Reads the lines of a text file that are not blank.

    Raises:
        InputError: The file is missing or not text in this encoding.
    """
    text = _read_text(path, "utf-8-sig" if encoding == "utf-8" else encoding)
    lines = enumerate(text.splitlines(), 1)
    return [Entry(line.strip(), path, f"line {number}") for number, line in lines if line.strip()]


def read_table(path: Path, columns: Sequence[str], header: bool = True) -> list[Entry]:
    """Reads a CSV file: one mapping per row.

    Args:
        path: The file.
        columns: Names of the columns that must be there; without a header, of all columns in order.
        header: Whether the first line names the columns.

    Raises:
        InputError: The file is missing, not UTF-8 text, or lacks a column.
    """
    reader = csv.reader(io.StringIO(_read_text(path, "utf-8-sig"), newline=""))
    try:
        rows = [(f"line {reader.line_num}", row) for row in reader if row]
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: not CSV: {error}") from error
    names = [name.strip() for name in rows.pop(0)[1]] if header and rows else list(columns)
    for column in columns:
        if column not in names:
            raise InputError(f"{path}: the column '{column}' is missing{nearest_name(column, names)}")
    for line, row in rows:
        if len(row) != len(names):
            raise InputError(f"{path}: {line}: {len(row)} values for {len(names)} columns")
    return [Entry(dict(zip(names, row, strict=True)), path, line) for line, row in rows]


def _read_text(path: Path, encoding: str) -> str:
    return _decode(_read(path), path, encoding)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the annotation file: {error.strerror}") from error


def _decode(content: bytes, file: Path | str, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not {error.encoding.upper()} text, byte {error.start} is wrong") from error


def is_file_name(name: str) -> bool:
    """Whether a name stays in its folder on every system and can be written to disk."""
    printable = name.isprintable() and not set(name) & set('/\\:*?"<>|')
    return printable and name.strip(". ") != "" and len(name.encode(errors="replace")) <= 200


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


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "..."
