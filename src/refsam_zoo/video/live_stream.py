"""Frames as they arrive: from a camera, an address, a pipe. They come once, and nobody knows how many."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from refsam_zoo.errors import InputError
from refsam_zoo.video.base import exact_rate
from refsam_zoo.video.frame_stream import Frame, FrameStream, numbered
from refsam_zoo.video.orientation import upright
from refsam_zoo.video.packets import picture_stream

if TYPE_CHECKING:
    import av

_logger = logging.getLogger(__name__)
OPENING_LIMIT, READING_LIMIT = 20.0, 60.0
"""Seconds without an answer from an address after which it counts as gone."""


class LiveStream(FrameStream):
    """Decodes what arrives. Packets damaged on their way are left out, with a warning for the first of them.

    Args:
        source: What libav opens: a device, an address, or a file from which is only read.
        name: What results are called.
        label: What messages call it.
        kind: libav's name of the format, where the source does not say it itself.
        options: libav's options of that format.

    Raises:
        InputError: Nobody answers, what comes is no video, or it ends before the first frame.
    """

    def __init__(
        self,
        source: str | BinaryIO,
        name: str,
        label: str,
        kind: str | None = None,
        options: Mapping[str, str] | None = None,
    ) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        av.logging.set_level(None)
        self._name, self._label = name, label
        self._hint = "" if isinstance(source, str) else "; an mp4 or mov file with its index at the end: give its name"
        self._converter = VideoReformatter()
        try:
            self._container: av.container.InputContainer = av.open(
                source, "r", format=kind, options=dict(options or {}), timeout=(OPENING_LIMIT, READING_LIMIT)
            )
        except (av.error.FFmpegError, ValueError) as error:
            raise InputError(f"{label}: no video can be read from it: {_reason(error)}") from error
        try:
            self._begin_reading()
        except BaseException:
            self.close()
            raise

    def _begin_reading(self) -> None:
        if not self._container.streams.video:
            raise InputError(f"{self._label}: no video can be read from it: it has no picture stream")
        self._stream = picture_stream(self._container)
        self.fps = float(self._stream.average_rate or self._stream.guessed_rate or 0)
        self.time_unit = self._stream.time_base
        self._frames = self._timed(self._decoded())
        first = next(self._frames, None)
        if first is None:
            raise InputError(f"{self._label}: no video can be read from it: it ends before the first frame")
        self._first = first
        self._size = first.picture.shape[:2]

    @property
    def name(self) -> str:
        """See `FrameStream.name`."""
        return self._name

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a frame as displayed."""
        return self._size

    @property
    def length(self) -> None:
        """Nobody knows."""

    def frames(self) -> Iterator[Frame]:
        """See `FrameStream.frames`."""
        return chain([self._first], self._frames)

    def close(self) -> None:
        """Lets go of the source."""
        self._container.close()

    def _timed(self, decoded: Iterator[av.VideoFrame]) -> Iterator[Frame]:
        """Numbers frames; where the clock of the source jumps back, time goes on by the rate."""
        step = 1 / exact_rate(self.fps)
        time, shift = -step, None
        for position, frame in enumerate(decoded):
            stamp = None if frame.pts is None or not frame.time_base else frame.pts * Fraction(frame.time_base)
            if stamp is None:
                time += step
            else:
                if shift is None or stamp - shift <= time:
                    shift = stamp - time - step
                time = stamp - shift
            picture = upright(frame, self._converter)
            if position and picture.shape[:2] != self._size:
                (h, w), (height, width) = picture.shape[:2], self._size
                raise InputError(
                    f"{self._label}: frame {position} is of size {h}x{w}, those before it {height}x{width}"
                )
            yield Frame(picture, numbered(position), position, time)

    def _decoded(self) -> Iterator[av.VideoFrame]:
        import av

        damaged = False
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                raise InputError(f"{self._label}: broke off: {_reason(error)}{self._hint}") from error
            if packet is None:
                return
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                if not damaged:
                    _logger.warning("%s: what arrives damaged or cut off is left out", self._label)
                damaged = True


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
