"""Videos stored as one picture per frame, as DAVIS and Ref-YouTube-VOS ship them."""

from __future__ import annotations

import io
import os
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from refsam_zoo.errors import InputError
from refsam_zoo.video.readers import VideoReader

SUFFIXES = (".jpg", ".jpeg", ".png")
PILLOW_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class PictureReader(VideoReader):
    """Reads videos that are one picture per frame, all of the same size."""

    @abstractmethod
    def _name(self, position: int) -> str:
        """Names a picture in messages."""

    @abstractmethod
    def _read_pictures(self, positions: Sequence[int]) -> list[np.ndarray]:
        """Reads some pictures."""

    def _decode(self, positions: list[int]) -> np.ndarray:
        pictures = self._read_pictures(positions)
        size = self._size or pictures[0].shape[:2]
        for position, picture in zip(positions, pictures, strict=True):
            if picture.shape[:2] != size:
                raise InputError(
                    f"{self._name(position)}: {_by(picture.shape[:2])} pixels, but frames before are {_by(size)}"
                )
        return np.stack(pictures)


class FrameFolderReader(PictureReader):
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
        self.files = _every_picture(folder) if names is None else _named_pictures(folder, names)

    def __len__(self) -> int:
        return len(self.files)

    def _name(self, position: int) -> str:
        return str(self.files[position])

    def _read_pictures(self, positions: Sequence[int]) -> list[np.ndarray]:
        return [read_picture(self.files[position]) for position in positions]


def read_picture(path: str | Path) -> np.ndarray:
    """Reads a JPEG or PNG file as RGB, uint8 `[H, W, 3]`.

    Raises:
        InputError: The file is missing, truncated or damaged.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the frame: {error.strerror}") from error
    return decode_picture(data, str(path))


def decode_picture(data: bytes, name: str) -> np.ndarray:
    """Decodes a JPEG or PNG file as RGB, uint8 `[H, W, 3]`.

    Args:
        data: The file.
        name: What to call it in a message.

    Raises:
        InputError: The picture is truncated or damaged.
    """
    # simplejpeg is the fastest decoder that refuses truncated and damaged files; others return half-grey pictures.
    if data[:2] == b"\xff\xd8":
        try:
            return simplejpeg.decode_jpeg(data, colorspace="RGB")
        except ValueError as error:
            raise InputError(f"{name}: damaged JPEG: {error}") from error
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))
    except PILLOW_ERRORS as error:
        raise InputError(f"{name}: not a readable picture: {pillow_reason(error)}") from error


def pillow_reason(error: Exception) -> str:
    """Says what Pillow says, without the address of an object in memory."""
    return "neither JPEG nor PNG" if isinstance(error, UnidentifiedImageError) else str(error)


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
