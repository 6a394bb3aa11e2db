"""What of a video is looked at: a part of it, every n-th frame, so many frames a second, smaller frames."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice, takewhile

import cv2

from refsam_zoo.errors import InputError
from refsam_zoo.video.base import exact_rate
from refsam_zoo.video.frame_stream import Frame, FrameStream
from refsam_zoo.video.moments import Moment


class ChangedStream(FrameStream):
    """A stream made of another one; frames keep their names, positions and times unless it says otherwise.

    Args:
        source: The other one.
    """

    def __init__(self, source: FrameStream) -> None:
        self._source = source
        self.path = source.path
        self.fps = source.fps
        self.time_unit = source.time_unit or 1 / exact_rate(source.fps)
        self.begin = source.begin
        self.pixel_aspect = source.pixel_aspect
        self.goes_on = source.goes_on

    @property
    def name(self) -> str:
        """See `FrameStream.name`."""
        return self._source.name

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame."""
        return self._source.size

    @property
    def length(self) -> int | None:
        """See `FrameStream.length`."""
        return self._source.length

    def frames(self) -> Iterator[Frame]:
        """See `FrameStream.frames`."""
        return self._source.frames()

    def close(self) -> None:
        """Closes the source."""
        self._source.close()


class Part(ChangedStream):
    """The frames from one moment up to another one, which is not included; times count from the first of them.

    Args:
        source: The whole; where its frames have numbers, those before the part are not decoded.
        start: None for the beginning.
        end: None for the end.

    Raises:
        InputError: No frame is shown between the two.
    """

    def __init__(self, source: FrameStream, start: Moment | None = None, end: Moment | None = None) -> None:
        super().__init__(source)
        self._start, self._end = start, end
        self._rest = source.frames() if start is None else source.frames_from(start)
        if end is not None:
            self._rest = takewhile(lambda frame: end.is_after(frame.position, frame.time), self._rest)
        first = next(self._rest, None)
        if first is None:
            until = "its end" if end is None else end.text
            known = "" if source.length is None else f"; it has {source.length} frames ({_seconds(source):.2f} s)"
            raise InputError(f"{source.name}: no frame from {start.text if start else 0} to {until}{known}")
        self._first = first
        self.begin = source.begin + first.time
        self.goes_on |= end is not None and source.count_before(end) != source.length

    @property
    def length(self) -> int | None:
        """Frames in the part, where the source knows."""
        start = 0 if self._start is None else self._source.count_before(self._start)
        end = self._source.length if self._end is None else self._source.count_before(self._end)
        return None if start is None or end is None else end - start

    def frames(self) -> Iterator[Frame]:
        """See `FrameStream.frames`."""
        for frame in chain([self._first], self._rest):
            yield frame._replace(time=frame.time - self._first.time)


class EveryNth(ChangedStream):
    """One frame of n, beginning with the first.

    Args:
        source: All of them.
        step: n.
    """

    def __init__(self, source: FrameStream, step: int) -> None:
        super().__init__(source)
        self._step = step
        self.fps = source.fps / step

    @property
    def length(self) -> int | None:
        """Frames that are left, where the source knows."""
        return None if self._source.length is None else -(-self._source.length // self._step)

    def frames(self) -> Iterator[Frame]:
        """See `FrameStream.frames`."""
        return islice(self._source.frames(), 0, None, self._step)


class AtRate(ChangedStream):
    """The first frame of each interval of 1 / `fps` seconds; nothing is left out where there are fewer frames.

    Args:
        source: All frames.
        fps: Most frames per second.
    """

    def __init__(self, source: FrameStream, fps: float) -> None:
        super().__init__(source)
        self._rate = exact_rate(fps)
        self.fps = min(fps, source.fps)

    @property
    def length(self) -> None:
        """Nobody knows before the last frame: the rate of the source may vary."""

    def frames(self) -> Iterator[Frame]:
        """See `FrameStream.frames`."""
        due = 0
        for frame in self._source.frames():
            if (interval := frame.time * self._rate // 1) >= due:
                due = interval + 1
                yield frame


class Shrunk(ChangedStream):
    """Frames whose longer side is at most so many pixels; smaller ones stay as they are.

    Args:
        source: Frames of any size.
        max_side: Pixels.
    """

    def __init__(self, source: FrameStream, max_side: int) -> None:
        super().__init__(source)
        factor = min(1.0, max_side / max(source.size))
        self._size = max(1, round(source.size[0] * factor)), max(1, round(source.size[1] * factor))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame, smaller."""
        return self._size

    def frames(self) -> Iterator[Frame]:
        """See `FrameStream.frames`."""
        for frame in self._source.frames():
            picture = cv2.resize(frame.picture, self._size[::-1], interpolation=cv2.INTER_AREA)
            yield frame._replace(picture=picture)


class FrameChoice:
    """What of each video is looked at, as said on a command line.

    Args:
        start: First moment, see `Moment.parse`; None for the beginning.
        end: Moment before which it ends; None for the end.
        stride: Every so manieth frame of those.
        fps: Most frames per second; None for all of them.
        max_side: Longest side of a frame in pixels; None for any.

    Raises:
        InputError: A moment cannot be read, or a number is too small.
    """

    def __init__(
        self,
        start: str | None = None,
        end: str | None = None,
        stride: int = 1,
        fps: float | None = None,
        max_side: int | None = None,
    ) -> None:
        self._start = None if start is None else Moment.parse(start, "--start")
        self._end = None if end is None else Moment.parse(end, "--end")
        if stride < 1:
            raise InputError(f"--stride: {stride} is not a number of frames; 1 takes every frame, 2 every other one")
        if fps is not None and not fps > 0:
            raise InputError(f"--fps: {fps:g} is not a number of frames per second; it must be above 0")
        if max_side is not None and max_side < 1:
            raise InputError(f"--max_side: {max_side} is not a number of pixels; it must be 1 or more")
        self._stride, self._fps, self._max_side = stride, fps, max_side

    def of(self, video: FrameStream) -> FrameStream:
        """Gives what is to be looked at of a video; reads its first frame.

        Raises:
            InputError: Nothing of it.
        """
        if self._start or self._end:
            video = Part(video, self._start, self._end)
        if self._stride > 1:
            video = EveryNth(video, self._stride)
        if self._fps is not None:
            video = AtRate(video, self._fps)
        return video if self._max_side is None else Shrunk(video, self._max_side)


def _seconds(video: FrameStream) -> float:
    return float((video.length or 0) / exact_rate(video.fps))
