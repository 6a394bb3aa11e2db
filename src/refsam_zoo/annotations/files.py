"""Reading annotation files that nobody promises to be right: every error names the file and the key."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.video.entries import Entry, is_file_name, parse_json, read_json, read_text

__all__ = [
    "Entry",
    "Expressions",
    "collect_problems",
    "is_file_name",
    "parse_json",
    "read_json",
    "read_lines",
    "read_table",
    "separately",
]

_PROBLEMS: ContextVar[list[str] | None] = ContextVar("problems", default=None)


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


def read_lines(path: Path, encoding: str = "utf-8") -> list[Entry]:
    """Reads the lines of a text file that are not blank.

    Args:
        path: The file.
        encoding: Of files that are not UTF-8.

    Raises:
        InputError: The file is missing or not text in this encoding.
    """
    # not `splitlines`, which also cuts at characters that stand inside of sentences in Latin-1
    lines = enumerate(io.StringIO(read_text(path, encoding), newline=None), 1)
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
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
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
