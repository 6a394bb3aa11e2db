"""A folder of masks, one indexed PNG per video, expression and frame, encoded off the main thread."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from refsam_zoo.inference.background import BackgroundTasks
from refsam_zoo.output_files import output_path, write_whole

BLACK_AND_WHITE = (0, 0, 0, 255, 255, 255)
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PALETTE = 3
"""Colour type of a PNG whose pixels are indices into a palette."""


class MaskFolder(BackgroundTasks):
    """Writes `<folder>/<video>/<expression>/<frame>.png`; use it as a context manager.

    The folder is not checked for earlier results: see `output_files.require_empty`.

    Args:
        folder: Where the masks go; made with the first mask.
        threads: Threads that encode and write. At most 16 masks per thread wait for them.
    """

    def __init__(self, folder: str | Path, threads: int = 2) -> None:
        folder = Path(folder)
        super().__init__(threads, 16 * threads)
        self.folder = folder

    def write(self, video: str, expression: str, frame: str, mask: np.ndarray) -> None:
        """Hands over a mask, bool `[H, W]`, which must not be changed afterwards.

        Raises:
            InputError: A name is not a plain file name, or an earlier mask could not be written.
        """
        self.submit(_write, output_path(self.folder, video, expression, frame, suffix=".png"), mask)


def encode_mask(mask: np.ndarray) -> bytes:
    """Makes an indexed PNG of a mask, bool `[H, W]`: index 0 is background and black, 1 the object and white.

    One bit per pixel, in rows without a filter: written here, it takes a third of Pillow's time.
    """
    height, width = mask.shape
    rows = np.zeros((height, 1 + -(-width // 8)), np.uint8)  # the byte before each row names its filter: none
    rows[:, 1:] = np.packbits(mask, axis=1)
    header = struct.pack(">IIBBBBB", width, height, 1, _PALETTE, 0, 0, 0)
    chunks = {b"IHDR": header, b"PLTE": bytes(BLACK_AND_WHITE), b"IDAT": zlib.compress(rows.tobytes()), b"IEND": b""}
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in chunks.items())


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _write(path: Path, mask: np.ndarray) -> None:
    write_whole(path, encode_mask(mask))
