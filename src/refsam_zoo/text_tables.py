"""Tables for a terminal, for a Markdown document or for a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence


def format_table(rows: Sequence[Sequence[str]], markdown: bool) -> str:
    """Formats rows of equal length, the first of them the header, as Markdown or aligned text."""
    if markdown:
        lines = ["| " + " | ".join(row) + " |" for row in rows]
        return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def format_csv(rows: Iterable[Sequence[str]]) -> bytes:
    """Formats rows, the first of them the header, as a CSV file in UTF-8."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="backslashreplace")
