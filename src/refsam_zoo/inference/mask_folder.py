"""A folder of masks, one indexed PNG per video, expression and frame, encoded off the main thread."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from refsam_zoo.inference.background import BackgroundTasks
from refsam_zoo.output_files import output_path, write_whole

BLACK_AND_WHITE = (0, 0, 0, 255, 255, 255)


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
    """Makes an indexed PNG of a mask, bool `[H, W]`: index 0 is background and black, 1 the object and white."""
    image = Image.fromarray(mask.astype(np.uint8))
    image.putpalette(BLACK_AND_WHITE)
    content = io.BytesIO()
    # One bit per pixel; a higher compression level costs half as much time again for a third less bytes.
    image.save(content, "PNG", bits=1, compress_level=1)
    return content.getvalue()


def _write(path: Path, mask: np.ndarray) -> None:
    write_whole(path, encode_mask(mask))
