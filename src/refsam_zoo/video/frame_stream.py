"""The contract of what can be watched once from its beginning: frames with their names and times, and no length."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from fractions import Fraction
from itertools import dropwhile
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from typing_extensions import Self

from refsam_zoo.errors import InputError
from refsam_zoo.video.moments import Moment


class Frame(NamedTuple):
    """One frame of a stream.

    Attributes:
        picture: RGB, uint8 `[H, W, 3]`.
        name: What its results are called: the name of its picture, or its number where it has none.
        position: Frames before it in the source, those left out included.
        time: When it is shown, in seconds after the stream's first frame.
    """

    picture: np.ndarray
    name: str
    position: int
    time: Fraction


class FrameStream(ABC):
    """Frames of one video in their order, whether it is a file, a camera or an address; use it as a context manager.

    Attributes:
        path: Video file or folder of frames; None for what is not on disk.
        fps: Frames per second; nominal where the source does not say.
        time_unit: Seconds that times are multiples of; None where the rate says it all.
        begin: Time of the first frame in seconds, on the clock of the source.
        pixel_aspect: Width of a pixel as displayed over its height.
        goes_on: Whether the source goes on after the last frame, and its sound with it.
    """

    path: Path | None = None
    fps: float
    time_unit: Fraction | None = None
    begin = Fraction(0)
    pixel_aspect = Fraction(1)
    goes_on = False

    @property
    @abstractmethod
    def name(self) -> str:
        """What the video's results are called: a plain file name."""

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Height and width of a frame as displayed; reads the first frame where nothing else tells."""

    @property
    @abstractmethod
    def length(self) -> int | None:
        """How many frames there are; None where nobody knows before the last one."""

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Gives all frames in memory independent of their number; may be called once.

        Raises:
            InputError: A frame is damaged, after all frames before it.
        """

    def frames_from(self, start: Moment) -> Iterator[Frame]:
        """Gives the frames at and after a moment, as `frames`."""
        return dropwhile(lambda frame: start.is_after(frame.position, frame.time), self.frames())

    def count_before(self, moment: Moment) -> int | None:
        """How many frames are shown before a moment; None where nobody knows before they are read."""
        return None

    def batches(self, most: int) -> Iterator[list[Frame]]:
        """Gives all frames, `most` at a time; the last ones, and those before a damaged one, may be fewer.

        Raises:
            InputError: As `frames`.
        """
        batch: list[Frame] = []
        try:
            for frame in self.frames():
                batch.append(frame)
                if len(batch) == most:
                    yield batch
                    batch = []
        except InputError:
            if batch:
                yield batch
            raise
        if batch:
            yield batch

    def close(self) -> None:  # noqa: B027 - not everything holds something open
        """Frees decoder and file; the stream is not usable afterwards."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def numbered(position: int) -> str:
    """Names a frame that has no name of its own."""
    return f"{position:05d}"
