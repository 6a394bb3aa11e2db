"""Reading arrays from MATLAB files.

Scipy's reader ends the whole process at some damaged files; this one knows only numeric arrays and checks every length.
The format is described in MathWorks' "MAT-File Format", level 5.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from refsam_zoo.errors import InputError

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
}  # fmt: skip
"""How the numbers of an element are stored, by its type; often narrower than the array's own class."""
_NUMERIC_CLASSES = range(6, 16)
_MOST_BYTES = 2**31


def read_matlab_array(path: Path, name: str) -> np.ndarray:
    """Reads a numeric array from a MATLAB file of level 5 (`save -v6` or `-v7`).

    Args:
        path: The file.
        name: Name of the variable.

    Returns:
        The array, of the shape that MATLAB shows and the type of number in which it is stored.

    Raises:
        InputError: The file is missing, damaged, of another version, or has no such numeric array.
    """
    try:
        content = path.read_bytes()
        order = {b"IM": "<", b"MI": ">"}.get(content[126:_HEADER], "")
        if not order or content[124 + (order == "<")] != 1:
            raise ValueError("it does not begin as one of version 5 does")
        for kind, data in _elements(memoryview(content)[_HEADER:], order):
            found = _array(data, order, name) if kind == _MATRIX else _compressed_array(kind, data, order, name)
            if found is not None:
                return found
        raise ValueError(f"there is no array '{name}'")
    except OSError as error:
        raise InputError(f"{path}: not a readable mask file: {error.strerror}") from error
    except (ValueError, struct.error, zlib.error) as error:
        raise InputError(f"{path}: not a readable mask file: {error}") from error


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and content of each element."""
    place = 0
    while place < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, place)
        start, stop = place + 8, place + 8 + size
        # all but compressed elements begin at a multiple of eight bytes
        following = stop if kind == _COMPRESSED else stop + -size % 8
        if kind >> 16:  # up to four bytes, in the place of the size
            start, stop, following = place + 4, place + 4 + (kind >> 16), place + 8
        if stop > min(following, len(data)):
            raise ValueError("an element reaches beyond its end")
        yield kind & 0xFFFF, data[start:stop]
        place = following


def _compressed_array(kind: int, data: memoryview, order: str, name: str) -> np.ndarray | None:
    if kind != _COMPRESSED:
        return None
    content = zlib.decompressobj().decompress(data, _MOST_BYTES)
    for inner, matrix in _elements(memoryview(content), order):
        if inner == _MATRIX:
            return _array(matrix, order, name)
    return None


def _array(matrix: memoryview, order: str, name: str) -> np.ndarray | None:
    """The numbers of a variable, None where it is another one."""
    parts = _elements(matrix, order)
    (_, flags), (_, dimensions), (_, title), (kind, numbers) = (next(parts, (0, memoryview(b""))) for _ in range(4))
    if bytes(title) != name.encode():
        return None
    if struct.unpack_from(f"{order}I", flags)[0] & 0xFF not in _NUMERIC_CLASSES or kind not in _NUMBERS:
        raise ValueError(f"'{name}' is no numeric array")
    shape = tuple(np.frombuffer(dimensions, f"{order}i4").tolist())
    stored = np.frombuffer(numbers, order + _NUMBERS[kind])
    if min(shape, default=0) < 0 or math.prod(shape) != len(stored):
        raise ValueError(f"'{name}' has {len(stored)} numbers for the shape {shape}")
    return stored.reshape(shape, order="F")
