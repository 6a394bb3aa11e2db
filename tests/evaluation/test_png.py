from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.png import decode_labels

LABELS = np.random.default_rng(0).integers(0, 4, (37, 53)).astype(np.uint8)


def _png(mode: str, **options: object) -> bytes:
    image = Image.fromarray(LABELS if mode != "1" else LABELS > 0)
    if mode == "P":
        image.putpalette([value for label in range(4) for value in (label, 2 * label, 255)])
    elif mode not in ("L", "1"):
        image = image.convert(mode)
    content = io.BytesIO()
    image.save(content, "PNG", **options)
    return content.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _filtered_png(pieces: int, rows_filter: int) -> bytes:
    """An 8-bit grey PNG written by hand: its data in several pieces, all rows with one filter (0 none, 2 up)."""
    differences = np.diff(LABELS, axis=0, prepend=np.zeros((1, LABELS.shape[1]), np.uint8)) if rows_filter else LABELS
    data = zlib.compress(np.insert(differences, 0, rows_filter, axis=1).astype(np.uint8).tobytes())
    step = -(-len(data) // pieces)
    header = struct.pack(">IIBBBBB", LABELS.shape[1], LABELS.shape[0], 8, 0, 0, 0, 0)
    parts = [_chunk(b"IDAT", data[start : start + step]) for start in range(0, len(data), step)]
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + b"".join(parts) + _chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content",
    [
        _png("P"),
        _png("P", bits=2),
        _png("P", bits=4),
        _png("P", bits=8),
        _png("L"),
        _png("L", optimize=True),
        _filtered_png(1, 0),
        _filtered_png(3, 2),
    ],
    ids=["palette", "2-bit", "4-bit", "8-bit", "grey", "grey, optimised", "plain", "filtered, three pieces"],
)
def test_labels_come_back(content: bytes) -> None:
    decoded = decode_labels(content, "mask.png")
    assert decoded.dtype == np.uint8
    assert np.array_equal(decoded, LABELS)


def test_one_bit_masks() -> None:
    assert np.array_equal(decode_labels(_png("1"), "mask.png"), LABELS > 0)


@pytest.mark.parametrize("width", [1, 7, 8, 9, 16])
def test_rows_end_inside_a_byte(width: int) -> None:
    labels = LABELS[:, :width] % 2
    image = Image.fromarray(labels)
    image.putpalette([0, 0, 0, 255, 255, 255])
    content = io.BytesIO()
    image.save(content, "PNG", bits=1)
    assert np.array_equal(decode_labels(content.getvalue(), "mask.png"), labels)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16"])
def test_colour_and_deep_pixels_are_refused(mode: str) -> None:
    with pytest.raises(InputError, match=r"'mask.png' has pixels of kind"):
        decode_labels(_png(mode), "mask.png")


def test_other_files_are_refused() -> None:
    with pytest.raises(InputError, match=r"'mask.png' is not a PNG file"):
        decode_labels(b"\xff\xd8\xff\xe0 a JPEG", "mask.png")


@pytest.mark.parametrize("keep", [20, 40, 100, 400])
@pytest.mark.parametrize("content", [_png("P"), _png("L"), _filtered_png(3, 2)], ids=["palette", "grey", "filtered"])
def test_truncated_files_are_refused(content: bytes, keep: int) -> None:
    with pytest.raises(InputError, match=r"'mask.png' is damaged"):
        decode_labels(content[:keep], "mask.png")


def test_a_flipped_bit_is_noticed() -> None:
    content = bytearray(_filtered_png(1, 0))
    position = content.index(b"IDAT") + 60
    content[position] ^= 0x10
    with pytest.raises(InputError, match="damaged"):
        decode_labels(bytes(content), "mask.png")


def test_a_file_cannot_inflate_beyond_its_header() -> None:
    data = zlib.compress(bytes(50_000_000))
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    with pytest.raises(InputError, match="its size is not what its header says"):
        decode_labels(content, "mask.png")


def test_absurd_sizes_are_refused() -> None:
    header = struct.pack(">IIBBBBB", 10**6, 10**6, 8, 0, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"")
    with pytest.raises(InputError, match="1000000x1000000 pixels are too many"):
        decode_labels(content, "mask.png")
