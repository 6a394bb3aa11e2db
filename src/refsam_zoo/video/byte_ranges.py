"""Parts of files wherever fsspec reaches: on a disk, a web server, an object store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from refsam_zoo.errors import InputError


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Some bytes of a file.

    Attributes:
        url: A path, or an address that fsspec understands (`s3://...`, `https://...`, `simplecache::...`).
        start: Offset of the first byte.
        length: Number of bytes.
    """

    url: str
    start: int
    length: int

    def __str__(self) -> str:
        return f"{self.url}: bytes {self.start} to {self.start + self.length}"


def read_file(url: str) -> bytes:
    """Reads a whole file.

    Raises:
        InputError: It is missing, cannot be reached or its kind of address is not known.
    """
    from fsspec.core import url_to_fs

    with _naming(url):
        system, path = url_to_fs(url)
        return system.cat_file(path)


def read_ranges(ranges: Sequence[ByteRange]) -> list[bytes]:
    """Reads parts of one file or several, at once where the file system can.

    Raises:
        InputError: A file is missing, too short or cannot be reached.
    """
    from fsspec.core import url_to_fs

    if not ranges:
        return []
    with _naming(ranges[0].url):
        # asked for each time: fsspec keeps one per process, and a forked worker must not use that of its parent
        system, _ = url_to_fs(ranges[0].url)
        paths = [url_to_fs(part.url)[1] for part in ranges]
        starts = [part.start for part in ranges]
        contents = system.cat_ranges(paths, starts, [part.start + part.length for part in ranges], on_error="raise")
    for part, content in zip(ranges, contents, strict=True):
        if len(content) != part.length:
            raise InputError(f"{part}: the file ends before")
    return contents


@contextmanager
def _naming(url: str) -> Iterator[None]:
    """Names the file in whatever goes wrong on the way to it."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{url}: no such file") from error
    except _unreachable() as error:
        raise InputError(f"{url}: cannot be read: {' '.join(str(error).split())}") from error


def _unreachable() -> tuple[type[Exception], ...]:
    """What fsspec raises, and what it lets through from its web client where that is installed."""
    try:
        from aiohttp import ClientError
    except ImportError:
        return OSError, ValueError, ImportError
    return OSError, ValueError, ImportError, ClientError
