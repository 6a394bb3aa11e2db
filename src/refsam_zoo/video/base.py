"""The contract of a video reader: frames by their position, whatever the video is stored as."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.video.frame_stream import Frame, FrameStream, numbered
from refsam_zoo.video.moments import Moment
from refsam_zoo.video.time_limit import TimeLimitError, within

T = TypeVar("T")
FRAMES_AT_ONCE = 4
"""Frames that are decoded together where all are wanted."""


class VideoReader(FrameStream):
    """Frames of one video by their position.

    A reader belongs to the process that opened it: it is neither pickled nor stored on a data set. Use it as a
    context manager.

    Attributes:
        path: Video file or folder of frames.
        time_limit: Seconds that a read of a video file may take without decoding a frame, None for no limit; pictures
            have none.
    """

    path: Path
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

    def _close(self) -> None:
        """Frees what the reader holds."""

    @property
    def name(self) -> str:
        """See `FrameStream.name`: that of the file or folder, also where it is a link."""
        path = Path(os.path.abspath(self.path))
        return path.stem if path.is_file() else path.name

    @property
    def length(self) -> int:
        """How many frames there are."""
        return len(self)

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

    def stream(self, batch: int = 1, first: int = 0) -> Iterator[np.ndarray]:
        """Reads the video from the start, or another frame, to its end in memory independent of its length.

        Args:
            batch: Frames per step; the last step may hold fewer.
            first: Position of the first frame.

        Yields:
            RGB, uint8 `[n, H, W, 3]` with `1 <= n <= batch`.

        Raises:
            InputError: As `read`, after all frames before the one that cannot be had.
        """
        for start in range(first, len(self), batch):
            positions = list(range(start, min(start + batch, len(self))))
            try:
                frames: Iterable[np.ndarray] = [self._limited(positions)]
            except InputError:
                if self._hangs:
                    raise
                frames = map(self._limited, ([position] for position in positions))  # up to the frame that is damaged
            yield from frames

    def frames(self) -> Iterator[Frame]:
        """See `FrameStream.frames`; begins anew with each call."""
        return self._frames_since(0)

    def frames_from(self, start: Moment) -> Iterator[Frame]:
        """See `FrameStream.frames_from`; the frames before it are not decoded where the file allows that."""
        return self._frames_since(self.count_before(start))

    def count_before(self, moment: Moment) -> int:
        """How many frames are shown before a moment."""
        return bisect_left(
            range(len(self)), True, key=lambda position: not moment.is_after(position, self.time(position))
        )

    def _frames_since(self, position: int) -> Iterator[Frame]:
        for batch in self.stream(FRAMES_AT_ONCE, position):
            for picture in batch:
                yield Frame(picture, self.frame_name(position), position, self.time(position))
                position += 1

    def frame_name(self, position: int) -> str:
        """See `Frame.name`."""
        return numbered(position)

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


def exact_rate(fps: float) -> Fraction:
    """Makes a fraction such as 30000/1001 of a rate; what is no positive number becomes 25."""
    return Fraction(fps).limit_denominator(1001) if math.isfinite(fps) and fps > 0 else Fraction(25)
