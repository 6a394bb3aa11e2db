"""Video files through PyAV, exact on every file that can be decoded at all."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.video.packets import Packets
from refsam_zoo.video.readers import VideoReader

if TYPE_CHECKING:
    import av


class PyAVReader(VideoReader):
    """Reads a video file with PyAV on one thread.

    Where time stamps number the frames it seeks to the last frame before the wanted one at which decoding can begin,
    and takes the frame whose time stamp is right; where they do not it decodes from the start and counts.

    Args:
        packets: What the file holds.
        indices: Number in the file of each position; None takes every frame.

    Raises:
        InputError: The file cannot be opened or has too few frames.
    """

    def __init__(self, packets: Packets, indices: Sequence[int] | None = None) -> None:
        self.path = packets.path
        self.fps = packets.fps
        self._packets = packets
        self._number = {time: number for number, time in enumerate(packets.times)}
        self._container: av.container.InputContainer | None = None
        self._frames: Iterator[tuple[int, av.VideoFrame]] = iter(())
        self._last = -1
        self._indices = np.arange(self._count) if indices is None else np.asarray(indices, dtype=np.int64)
        if packets.times and self._indices.size and self._indices.max() >= self._count:
            raise InputError(
                f"{self.path}: frame {self._indices.max()} is asked for, but the file has {self._count} frames"
            )

    def __len__(self) -> int:
        return len(self._indices)

    def close(self) -> None:
        """Closes the file."""
        self._frames = iter(())
        if self._container is not None:
            self._container.close()
            self._container = None

    @cached_property
    def _count(self) -> int:
        """Frames in the file; decodes all of them where time stamps do not tell."""
        if self._packets.times:
            return len(self._packets.times)
        self._restart()
        count = sum(1 for _ in self._frames)
        self._last = count
        return count

    def _decode(self, positions: list[int]) -> np.ndarray:
        pictures = [self._picture(int(number)) for number in self._indices[positions]]
        for position, picture in zip(positions, pictures, strict=True):
            if picture.shape != pictures[0].shape:
                raise InputError(
                    f"{self.path}: frame {position} has another size, {picture.shape[0]}x{picture.shape[1]} "
                    f"instead of {pictures[0].shape[0]}x{pictures[0].shape[1]} pixels"
                )
        return np.stack(pictures)

    def _picture(self, wanted: int) -> np.ndarray:
        starts = self._packets.starts
        place = bisect_right(starts, wanted) - 1
        if not starts[place] <= self._last < wanted:
            self._seek(starts[place])
        while (frame := self._next(wanted)) is None:
            # The seek went too far, which happens where the container's index is coarse: begin earlier.
            place -= 1
            self._seek(starts[max(place, 0)] if place >= 0 else 0)
        return _upright(frame)

    def _next(self, wanted: int) -> av.VideoFrame | None:
        """Decodes up to a frame; None where decoding has begun after it."""
        first = True
        for number, frame in self._frames:
            if number > wanted and first and number > 0:
                return None
            first = False
            self._last = number
            if number == wanted:
                return frame
            if number > wanted:
                break
        raise InputError(f"{self.path}: frame {wanted} cannot be decoded; the last one before it is {self._last}")
