"""Videos stored as one picture per frame, as DAVIS and Ref-YouTube-VOS ship them."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image, UnidentifiedImageError

from refsam_zoo.errors import InputError
from refsam_zoo.file_names import FRAMES, find_files, natural_order
from refsam_zoo.video.base import T, VideoReader

_BITS_PER_SAMPLE = 258
"""Tag of TIFF."""
PILLOW_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


class PictureReader(VideoReader):
    """Reads videos that are one picture per frame, all of the same size."""

    @abstractmethod
    def _name(self, position: int) -> str:
        """Names a picture in messages."""

    @abstractmethod
    def _read_pictures(self, positions: Sequence[int]) -> list[np.ndarray]:
        """Reads some pictures."""

    def _within_limit(self, action: Callable[[], T], what: str) -> T:
        """Reads without a thread that watches: decoders of pictures come to an end."""
        return action()

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
    """Reads JPEG, PNG, WebP, BMP and TIFF pictures, of several kinds in one folder too; see `find_files`.

    Orientation tags are ignored for frames as for masks, so that the two always fit.

    Args:
        folder: Where the pictures are.
        names: Names without suffix in temporal order; None takes every picture in natural order.
        fps: Nominal rate, as a folder carries none.

    Attributes:
        names: The names of all frames.
        files: Their files.
        missing: Positions of names without a file, which cannot be read.

    Raises:
        InputError: The folder holds no pictures, none of those named, or two of one name.
    """

    def __init__(self, folder: Path, names: Sequence[str] | None = None, fps: float = 6.0) -> None:
        self.path = folder
        self.fps = fps
        found = find_files(folder)
        self.names = list(found) if names is None else list(names)
        if not self.names:
            known = (
                f"holds no {', '.join(FRAMES)} frames{_frames_below(folder)}"
                if names is None
                else "the list of its frames is empty"
            )
            raise InputError(f"{folder}: {known}")
        self.missing = [position for position, name in enumerate(self.names) if name not in found]
        if len(self.missing) == len(self.names):
            raise InputError(f"{folder}: frame {self.names[0]} is missing, none of {', '.join(FRAMES)} is there")
        # what is missing would probably be a file like the others
        suffix = next(found[name].suffix for name in self.names if name in found)
        self.files = [found[name] if name in found else folder / f"{name}{suffix}" for name in self.names]

    def __len__(self) -> int:
        return len(self.files)

    def frame_name(self, position: int) -> str:
        """See `Frame.name`."""
        return self.names[position]

    def _name(self, position: int) -> str:
        return str(self.files[position])

    def _read_pictures(self, positions: Sequence[int]) -> list[np.ndarray]:
        return [read_picture(self.files[position]) for position in positions]


class SinglePictureReader(PictureReader):
    """Reads a picture as a video of one frame.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fps = 1.0

    def __len__(self) -> int:
        return 1

    def frame_name(self, position: int) -> str:
        """The name of the file."""
        return self.path.stem

    def _name(self, position: int) -> str:
        return str(self.path)

    def _read_pictures(self, positions: Sequence[int]) -> list[np.ndarray]:
        return [read_picture(self.path) for _ in positions]


def read_picture(path: str | Path) -> np.ndarray:
    """Reads a picture as RGB, uint8 `[H, W, 3]`; see `decode_picture`.

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
    """Decodes a JPEG, PNG, WebP, BMP or TIFF file as RGB, uint8 `[H, W, 3]`.

    Of pixels with more than 8 bits the highest 8 are taken; transparency is left out.

    Args:
        data: The file.
        name: What to call it in a message.

    Raises:
        InputError: The picture is truncated or damaged, or its pixels are no whole numbers of at most 16 bits.
    """
    # simplejpeg is the fastest decoder that refuses truncated and damaged files; others return half-grey pictures.
    if data[:2] == b"\xff\xd8":
        try:
            return simplejpeg.decode_jpeg(data, colorspace="RGB")
        except ValueError as error:
            raise InputError(f"{name}: damaged JPEG: {error}") from error
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(_eight_bits(image, name).convert("RGB"))
    except InputError:
        raise
    except PILLOW_ERRORS as error:
        raise InputError(f"{name}: not a readable picture: {pillow_reason(error)}") from error


def pillow_reason(error: Exception) -> str:
    """Says what Pillow says, without the address of an object in memory."""
    return "no picture of a kind known here" if isinstance(error, UnidentifiedImageError) else str(error)


def _eight_bits(image: Image.Image, name: str) -> Image.Image:
    """Scales grey pixels of up to 16 bits, which Pillow would cut off at 255; all others it scales itself."""
    if image.mode not in ("F", "I") and not image.mode.startswith("I;16"):
        return image
    depth = 16
    if image.format == "TIFF":
        depth = image.tag_v2.get(_BITS_PER_SAMPLE, (16,))[0]  # type: ignore[attr-defined]
    if image.mode == "F" or depth > 16:
        raise InputError(f"{name}: its pixels are of kind {image.mode}; a frame has whole numbers of 8 or 16 bits")
    return Image.fromarray((np.asarray(image) >> depth - 8).clip(0, 255).astype(np.uint8))


def _frames_below(folder: Path) -> str:
    """Names the folders within a folder that hold frames, of which one was probably meant."""
    below = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: natural_order(path.name))
    meant = [str(path) for path in below if any(file.suffix.lower() in FRAMES for file in path.iterdir())]
    more = f" or one of {len(meant) - 3} more" if len(meant) > 3 else ""
    return f"; did you mean {', '.join(meant[:3])}{more}?" if meant else ""


def _by(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"
