"""Reads the PNG files masks are kept in, as ids rather than colours."""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from typing import cast

import numpy as np
from isal import isal_zlib  # three times as fast as zlib on masks

from refsam_zoo.errors import InputError

_INFLATE_ERROR = cast(type[Exception], isal_zlib.error)
_MOST_BYTES = 2**28
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3
_PLAIN = {(_GREY, 8), (_GREY, 1), *((_PALETTE, depth) for depth in (1, 2, 4, 8))}


def decode_labels(content: bytes, name: str) -> np.ndarray:
    """Decodes an indexed or grey PNG to the numbers stored in it.

    Args:
        content: The bytes of the file.
        name: What to call the file in an error.

    Returns:
        uint8 `[H, W]`: palette indices or grey values.

    Raises:
        InputError: Not a PNG, damaged, or with colour or 16-bit pixels.
    """
    if not content.startswith(_SIGNATURE):
        raise InputError(f"'{name}' is not a PNG file")
    try:
        labels = _decode_unfiltered(content)
        return _decode_any(content, name) if labels is None else labels
    except (_INFLATE_ERROR, struct.error, IndexError, OSError, SyntaxError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"'{name}' is damaged: {error}") from error


def _decode_unfiltered(content: bytes) -> np.ndarray | None:
    """Decodes what mask writers write, rows without filters, at the speed of inflating; None if it is not that."""
    width, height, depth, colour, _, _, interlace = struct.unpack_from(">IIBBBBB", content, 16)
    if (colour, depth) not in _PLAIN or interlace:
        return None
    row = 1 + (width * depth + 7) // 8
    size = height * row
    if size > _MOST_BYTES:
        raise ValueError(f"{height}x{width} pixels are too many")
    stream = isal_zlib.decompressobj()
    # Never more than the header promises, whatever the file inflates to; one byte further lies the checksum.
    rows = stream.decompress(_image_data(content), size)
    if len(rows) != size or stream.decompress(stream.unconsumed_tail, 1) or not stream.eof:
        raise ValueError("its size is not what its header says")
    filtered = np.frombuffer(rows, np.uint8).reshape(height, row)
    if filtered[:, 0].any():
        return None
    packed = filtered[:, 1:]
    return packed if depth == 8 else _pixels_of_bytes(depth)[packed].reshape(height, -1)[:, :width]


@lru_cache
def _pixels_of_bytes(depth: int) -> np.ndarray:
    """What pixels of 1, 2 or 4 bits each value of a byte stands for: uint8 `[256, 8 / depth]`."""
    shifts = np.arange(8 - depth, -1, -depth)
    return (np.arange(256)[:, None] >> shifts & (1 << depth) - 1).astype(np.uint8)


def _image_data(content: bytes) -> bytes:
    """Joins the compressed pieces of an image."""
    pieces, position = [], len(_SIGNATURE)
    while position < len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        if kind == b"IDAT":
            pieces.append(content[position + 8 : position + 8 + length])
        position += length + 12
    return b"".join(pieces)


def _decode_any(content: bytes, name: str) -> np.ndarray:
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        if image.mode not in ("P", "L", "1"):
            raise InputError(f"'{name}' has pixels of kind {image.mode}; a mask is an indexed or 8-bit grey PNG")
        return np.asarray(image).astype(np.uint8, copy=False)
