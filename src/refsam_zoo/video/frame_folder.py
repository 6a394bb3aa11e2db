"""Videos stored as one picture per frame, as DAVIS and Ref-YouTube-VOS ship them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.video.readers import VideoReader

SUFFIXES = (".jpg", ".jpeg", ".png")
PILLOW_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class FrameFolderReader(VideoReader):
    """Reads `<name>.jpg`, `.jpeg` or `.png` pictures.

    Orientation tags are ignored for frames as for masks, so that the two always fit.

    Args:
        folder: Where the pictures are.
        names: Names without suffix in temporal order; None takes every picture, sorted by name.
        fps: Nominal rate, as a folder carries none.

    Raises:
        InputError: The folder holds no pictures, or not the first one.
    """

    def __init__(self, folder: Path, names: Sequence[str] | None = None, fps: float = 6.0) -> None:
        self.path = folder
        self.fps = fps
        self._files = _every_picture(folder) if names is None else _named_pictures(folder, names)

    def __len__(self) -> int:
        return len(self._files)

    def _decode(self, positions: list[int]) -> np.ndarray:
        pictures = [read_picture(self._files[position]) for position in positions]
        size = self._size or pictures[0].shape[:2]
        for position, picture in zip(positions, pictures, strict=True):
            if picture.shape[:2] != size:
                raise InputError(
                    f"{self._files[position]}: {_by(picture.shape[:2])} pixels, but frames before are {_by(size)}"
                )
        return np.stack(pictures)


def read_picture(path: Path) -> np.ndarray:
    """Reads a JPEG or PNG file as RGB, uint8 `[H, W, 3]`.

    Raises:
        InputError: The file is missing, truncated or damaged.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the frame: {error.strerror}") from error
    # simplejpeg is the fastest decoder that refuses truncated and damaged files; others return half-grey pictures.
    if data[:2] == b"\xff\xd8":
        try:
            return simplejpeg.decode_jpeg(data, colorspace="RGB")
        except ValueError as error:
            raise InputError(f"{path}: damaged JPEG: {error}") from error
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except PILLOW_ERRORS as error:
        raise InputError(f"{path}: not a readable picture: {error}") from error


def _every_picture(folder: Path) -> list[Path]:
    files = sorted(folder / name for name in os.listdir(folder) if Path(name).suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"{folder}: holds no {', '.join(SUFFIXES)} frames")
    return files


def _named_pictures(folder: Path, names: Sequence[str]) -> list[Path]:
    if not names:
        raise InputError(f"{folder}: the list of its frames is empty")
    for suffix in SUFFIXES:
        if (folder / f"{names[0]}{suffix}").is_file():
            return [folder / f"{name}{suffix}" for name in names]
    raise InputError(f"{folder}: frame {names[0]} is missing, neither of {', '.join(SUFFIXES)} is there")


def _by(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"
