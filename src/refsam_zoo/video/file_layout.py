"""The outermost structure of video files: whether one is cut off at its end, whether it is written in fragments.

Demultiplexers give the packets that are there and keep quiet about those that are missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

BOX_KINDS = (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"uuid", b"sidx", b"mfra", b"meta")
MATROSKA = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"


def missing_bytes(path: Path) -> int:
    """Bytes that an MP4, MOV, Matroska or WebM file says it has after its end: 0 in whole files and other formats."""
    length = path.stat().st_size
    with path.open("rb") as file:
        is_matroska = file.read(4) == MATROSKA
        ends = [segment_end(file)] if is_matroska else [end for _, end in boxes(file, length)]
    return max([0, *(end - length for end in ends)])


def is_fragmented(path: Path) -> bool:
    """Whether an MP4 or MOV file is a sequence of fragments, each with an index of its own."""
    with path.open("rb") as file:
        return any(kind == b"moof" for kind, _ in boxes(file, path.stat().st_size))


def boxes(file: BinaryIO, length: int) -> Iterator[tuple[bytes, int]]:
    """Kind and end of each outermost box of an MP4 or MOV file, up to the first thing that is none."""
    start = 0
    while start + 8 <= length:
        file.seek(start)
        size, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if kind not in BOX_KINDS or 0 < size < 8:
            return
        start = start + size if size else length  # no size: up to the end of the file
        yield kind, start


def segment_end(file: BinaryIO) -> int:
    """Where the segment of a Matroska file should end; 0 where it is of unknown size, as in recordings."""
    file.seek(4)
    header = variable_size(file)
    file.seek((header or 0), 1)
    if header is None or file.read(4) != SEGMENT:
        return 0
    size = variable_size(file)
    return 0 if size is None else file.tell() + size


def variable_size(file: BinaryIO) -> int | None:
    """Reads the size of a Matroska element; None where it is unknown or no size stands there."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    width = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(width - 1), "big") & ((1 << 7 * width) - 1)
    return None if value == (1 << 7 * width) - 1 else value
