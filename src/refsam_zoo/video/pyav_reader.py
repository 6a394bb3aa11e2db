"""Video files through PyAV, exact on every file that can be decoded at all."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.video.file_reader import VideoFileReader
from refsam_zoo.video.orientation import upright
from refsam_zoo.video.packets import Packets, picture_stream

if TYPE_CHECKING:
    import av

SKIPPABLE = ("h264", "hevc")
"""Codecs whose decoder can leave out pictures before the wanted one that no other refers to."""


class PyAVReader(VideoFileReader):
    """Reads a video file with PyAV on one thread.

    Where time stamps number the frames it seeks to the last frame before the wanted one at which decoding can begin,
    and takes the frame whose time stamp is right; where they do not it decodes from the start and counts. Errors that
    a decoder would conceal by painting over them end the read.

    Args:
        packets: What the file holds.
        indices: Number in the file of each position; None takes every frame.

    Raises:
        InputError: The file has too few frames.
    """

    def __init__(self, packets: Packets, indices: Sequence[int] | None = None) -> None:
        from av.video.reformatter import VideoReformatter

        super().__init__(packets, indices)
        self._number: dict[int | None, int] = {time: number for number, time in enumerate(packets.times)}
        self._container: av.container.InputContainer | None = None
        self._frames: Iterator[tuple[int, av.VideoFrame]] = iter(())
        self._converter = VideoReformatter()
        self._stamps: dict[int, int] = {}
        self._wanted = 0
        self._last = -1

    def __len__(self) -> int:
        return self._count if self._indices is None else len(self._indices)

    def time(self, position: int) -> Fraction:
        """See `VideoReader.time`; where only counting numbers the frames, the time of those read is known."""
        number = self._numbers([position])[0]
        if number in self._stamps:
            return (self._stamps[number] - self._stamps[0]) * self._packets.unit
        return super().time(position)

    def _close(self) -> None:
        self._frames = iter(())
        if self._container is not None:
            self._container.close()
            self._container = None

    @cached_property
    def _count(self) -> int:
        """Frames in the file; decodes all of them where time stamps do not tell."""
        if self._packets.times:
            return len(self._packets.times)

        def decode_all() -> int:
            self._restart()
            return sum(1 for _ in self._frames)

        return self._within_limit(decode_all, f"{self.path}: counting its frames")

    def _decode(self, positions: list[int]) -> np.ndarray:
        numbers = self._numbers(positions)
        pictures = [self._picture(number) for number in numbers]
        for number, picture in zip(numbers, pictures, strict=True):
            if picture.shape != pictures[0].shape:
                (h, w), (height, width) = picture.shape[:2], pictures[0].shape[:2]
                raise InputError(f"{self.path}: frame {number} is of size {h}x{w}, those before it {height}x{width}")
        return np.stack(pictures)

    def _picture(self, wanted: int) -> np.ndarray:
        self._wanted = wanted
        place = bisect_right(self._packets.starts, wanted) - 1
        try:
            if not self._packets.starts[place] <= self._last < wanted:
                self._seek(place)
            return upright(self._find(wanted), self._converter)
        except InputError:
            if self._packets.independent:
                raise
            self._restart()  # what looks like damage may be a mention of a group still further back
            return upright(self._find(wanted), self._converter)

    def _find(self, wanted: int) -> av.VideoFrame:
        for number, frame in self._frames:
            if number == wanted and not frame.is_corrupt:
                return frame
            if number >= wanted:
                break
        else:
            if not self._packets.times:
                raise self._too_few(wanted, self._last + 1)
        raise InputError(f"{self.path}: frame {wanted} cannot be decoded")

    def _seek(self, place: int) -> None:
        """Goes to a frame at which decoding can begin, or to one before it where the container cannot find it."""
        starts = self._packets.starts
        for number in range(place, 0, -1):
            begin = starts[number] if self._packets.independent else starts[number - 1]
            container = self._opened()
            container.seek(self._packets.times[begin], stream=picture_stream(container))
            frames = self._numbered(container, begin, exact=starts[number])
            first = next(frames, None)
            if first is not None:
                self._frames = chain([first], frames)
                return
        self._restart()

    def _restart(self) -> None:
        self._close()
        self._frames = self._numbered(self._opened(), begin=0, exact=0)

    def _numbered(
        self, container: av.container.InputContainer, begin: int, exact: int
    ) -> Iterator[tuple[int, av.VideoFrame]]:
        """Decodes what is shown from `begin` on and gives each frame its number, see `_decoded`."""
        import av

        self._last = -1
        try:
            for count, frame in enumerate(self._decoded(container, begin, exact)):
                number = self._number.get(frame.pts, -1) if self._number else count
                if number <= self._last:
                    raise InputError(f"{self.path}: the time stamps after frame {self._last} are wrong")
                self._last = number
                if not self._number and self._packets.timed and frame.pts is not None:
                    self._stamps[number] = frame.pts
                self._frames_decoded += 1
                yield number, frame
        except av.error.FFmpegError as error:
            damaged, self._last = max(self._wanted, self._last + 1), -1  # the next read begins anew
            raise InputError(f"{self.path}: frame {damaged} cannot be decoded: {error.strerror}") from error

    def _decoded(self, container: av.container.InputContainer, begin: int, exact: int) -> Iterator[av.VideoFrame]:
        """Decodes what is shown from `begin` on; gives nothing where the container stands behind it.

        In an open group, pictures shown before its key frame refer to the group before, which was not decoded, and
        pictures after it may ask to forget some of that group: errors before the frame `exact` mean nothing.
        """
        import av

        stream = picture_stream(container)
        begun = not self._number
        for packet in container.demux(stream):
            number = self._number.get(packet.pts, self._wanted)
            begun = begun or number == begin
            if not begun and number > begin:
                return
            if not begun or number < begin:
                continue
            if stream.codec_context.name in SKIPPABLE:
                stream.codec_context.skip_frame = "NONREF" if number < self._wanted else "DEFAULT"
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                if number >= exact:
                    raise

    def _opened(self) -> av.container.InputContainer:
        import av

        if self._container is None:
            try:
                self._container = av.open(str(self.path))
            except av.error.FFmpegError as error:
                raise InputError(f"{self.path}: not a readable video: {error.strerror}") from error
            codec = picture_stream(self._container).codec_context
            codec.thread_count = 1
            codec.options = {"err_detect": "explode"}
        return self._container
