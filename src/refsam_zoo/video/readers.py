"""One way to read a video, whatever it is stored as."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeVar

import numpy as np
from typing_extensions import Self

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.types import VideoSource
from refsam_zoo.video.time_limit import TimeLimitError, within

T = TypeVar("T")
Backend = Literal["auto", "decord", "torchcodec", "pyav"]
BACKENDS = ("auto", "decord", "torchcodec", "pyav")
INEXACT = {"decord": ("open", "gradual", "counted"), "torchcodec": ("gradual", "counted")}
"""Files (`Packets.order`) of which a back end was found to return other frames than those asked for."""
TIME_LIMIT = 60.0
"""Seconds without a decoded frame after which a file counts as broken."""


class VideoReader(ABC):
    """Frames of one video by their position.

    A reader belongs to the process that opened it: it is neither pickled nor stored on a data set. Use it as a
    context manager.

    Attributes:
        path: Video file or folder of frames.
        fps: Frames per second; nominal where the source does not say.
        time_unit: Seconds that times are multiples of; None where the rate says it all.
        begin: Time of the first frame in seconds, on the clock of the source.
        pixel_aspect: Width of a pixel as displayed over its height.
        time_limit: Seconds that a read may take without decoding a frame, None for no limit.
    """

    path: Path
    fps: float
    time_unit: Fraction | None = None
    begin = Fraction(0)
    pixel_aspect = Fraction(1)
    time_limit: float | None = None
    _size: tuple[int, int] | None = None
    _frames_decoded = 0
    _hangs = False

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _decode(self, positions: list[int]) -> np.ndarray:
        """Decodes distinct ascending valid positions to uint8 `[N, H, W, 3]`."""

    def close(self) -> None:
        """Frees decoder and file; the reader is not usable afterwards."""
        if not self._hangs:  # a decoder that a thread is still inside of must not be taken away from it
            self._close()

    def _close(self) -> None:  # noqa: B027 - folders hold nothing to close
        """Frees what the reader holds."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame as displayed."""
        if self._size is None:
            self.read([0])
        assert self._size is not None
        return self._size

    def time(self, position: int) -> Fraction:
        """When a frame is shown, in seconds after the first one."""
        return position / exact_rate(self.fps)

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """Reads frames in the order asked; each is decoded once, in the order of the file.

        Args:
            indices: Positions from 0 to `len(self) - 1`, repeats allowed.

        Returns:
            RGB, uint8 `[N, H, W, 3]`, in an array of their own that the caller may change.

        Raises:
            InputError: A position is outside the video, a frame is missing or damaged, or the decoder hangs; names
                file and frame.
        """
        for index in indices:
            if not 0 <= index < len(self):
                raise InputError(f"{self.path}: no frame {index}, the video has {len(self)} frames")
        distinct = sorted(set(indices))
        if not distinct:
            return np.empty((0, *self.size, 3), np.uint8)
        frames = self._limited(distinct)
        if list(indices) == distinct:
            return frames
        place = {position: row for row, position in enumerate(distinct)}
        return frames[[place[index] for index in indices]]

    def stream(self, batch: int = 1) -> Iterator[np.ndarray]:
        """Reads the whole video from the start in memory independent of its length.

        Args:
            batch: Frames per step; the last step may hold fewer.

        Yields:
            RGB, uint8 `[n, H, W, 3]` with `1 <= n <= batch`.

        Raises:
            InputError: As `read`, after all frames before the one that cannot be had.
        """
        for start in range(0, len(self), batch):
            positions = list(range(start, min(start + batch, len(self))))
            try:
                frames: Iterable[np.ndarray] = [self._limited(positions)]
            except InputError:
                if self._hangs:
                    raise
                frames = map(self._limited, ([position] for position in positions))  # up to the frame that is damaged
            yield from frames

    def _limited(self, positions: list[int]) -> np.ndarray:
        frames = self._within_limit(
            lambda: self._decode(positions), f"{self.path}: frames {positions[0]} to {positions[-1]}"
        )
        size = (frames.shape[1], frames.shape[2])
        if self._size not in (None, size):
            raise InputError(f"{self.path}: frames {positions[0]} to {positions[-1]} are of another size than others")
        self._size = size
        return frames

    def _within_limit(self, action: Callable[[], T], what: str) -> T:
        if self._hangs:
            raise InputError(f"{self.path}: made its decoder hang before")
        try:
            return within(self.time_limit, action, what, lambda: self._frames_decoded)
        except TimeLimitError:
            self._hangs = True
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def exact_rate(fps: float) -> Fraction:
    """Makes a fraction such as 30000/1001 of a rate; what is no positive number becomes 25."""
    return Fraction(fps).limit_denominator(1001) if math.isfinite(fps) and fps > 0 else Fraction(25)


def open_video(
    source: VideoSource | str | Path,
    frames: Sequence[str] | None = None,
    backend: Backend = "auto",
    time_limit: float | None = TIME_LIMIT,
) -> VideoReader:
    """Opens a video for reading.

    Args:
        source: A folder of frames or a video file, by its path or as a data set names it.
        frames: Names of the frames that positions count (`Referral.frames`); None takes every frame there is.
        backend: Decoder of video files; `auto` is PyAV, by time stamp where what the file holds can be trusted and by
            counting elsewhere. decord and torchcodec refuse the files of which they give wrong frames.
        time_limit: Seconds that opening, and each read between two frames, may take; None for no limit.

    Returns:
        A reader with `len(frames)` frames.

    Raises:
        InputError: Nothing is there, it is not a whole video, it has too few frames, or the back end cannot read it.
    """
    from refsam_zoo.video.frame_folder import FrameFolderReader
    from refsam_zoo.video.packed_frames import PackedReader, PackedVideo

    if not isinstance(source, VideoSource):
        source = VideoSource(Path(source))
    if isinstance(source, PackedVideo):
        reader: VideoReader = PackedReader(source)
    elif source.path.is_dir():
        reader = FrameFolderReader(source.path, frames)
    elif source.path.is_file():
        indices = source.indices
        if indices is None and frames is not None:
            indices = tuple(range(len(frames)))
        reader = within(time_limit, lambda: _open_file(source.path, indices, backend), f"{source.path}: opening it")
    else:
        address = re.match(r"(\w{2,}):/+(.+)", source.path.as_posix())  # a path keeps one slash only
        if address:
            raise InputError(f"{address[1]}://{address[2]}: a web address is not read from; download the video first")
        raise InputError(f"{source.path}: no such video; expected a video file or a folder of frames")
    reader.time_limit = time_limit
    return reader


def _open_file(path: Path, indices: Sequence[int] | None, backend: str) -> VideoReader:
    from refsam_zoo.video.orientation import UPRIGHT
    from refsam_zoo.video.packets import read_packets

    if backend not in BACKENDS:
        raise InputError(f"unknown video back end '{backend}'{nearest_name(backend, BACKENDS)}")
    packets = read_packets(path)
    if backend in INEXACT and (packets.order in INEXACT[backend] or packets.orientation != UPRIGHT):
        raise InputError(f"{path}: {backend} gives wrong frames of such a file; use the video back end auto")
    if backend == "decord":
        from refsam_zoo.video.decord_reader import DecordReader

        return DecordReader(packets, indices)
    if backend == "torchcodec":
        from refsam_zoo.video.torchcodec_reader import TorchCodecReader

        return TorchCodecReader(packets, indices)
    from refsam_zoo.video.pyav_reader import PyAVReader

    return PyAVReader(packets, indices)
