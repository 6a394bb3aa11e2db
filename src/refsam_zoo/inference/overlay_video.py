"""Writes pictures as an mp4 file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from typing_extensions import Self

from refsam_zoo.errors import InputError
from refsam_zoo.inference.film_files import GROWING, cut_to_whole_pictures, encoder_packets, make_seekable
from refsam_zoo.video.base import exact_rate

FINEST_UNIT = Fraction(1, 1_000_000)
"""Seconds; players count time in 32 bits."""


class OverlayVideoWriter:
    """Writes an mp4 file; use it as a context manager.

    The file appears when the block is left, also by an exception: then it holds the pictures up to there, and where the
    disk was full, those that had room, without sound. Without a picture there is none. H.264 through libx264 where PyAV
    has it, else MPEG-4 part 2.

    Args:
        path: The file.
        size: Even height and width of the pictures.
        fps: Pictures per second on average; what is no positive number becomes 25.
        time_unit: Seconds that the times of pictures are multiples of; None where they follow from the rate.
        pixel_aspect: Width of a pixel as displayed over its height.
        sound: A video file whose sound is to be heard, and the time in it at which the pictures begin, in seconds.
        go_on: Whether to begin with the pictures of a film of this size that an earlier run left.
        growing: Where it grows until then, in the same file system; None for a hidden name beside it.

    Attributes:
        pictures: How many there are.

    Raises:
        InputError: The file cannot be written.
    """

    def __init__(
        self,
        path: Path,
        size: tuple[int, int],
        fps: float,
        *,
        time_unit: Fraction | None = None,
        pixel_aspect: Fraction = Fraction(1),
        sound: tuple[Path, Fraction] | None = None,
        go_on: bool = False,
        growing: Path | None = None,
    ) -> None:
        self.path = path
        self._rate = exact_rate(fps)
        self._unit = max(time_unit or 1 / self._rate, FINEST_UNIT)
        self.pictures, self._last = 0, -1
        self._broken = False
        self._unfinished = growing or path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self._unfinished.touch()  # libav itself opens the file only with the first picture
            self._container = av.open(str(self._unfinished), "w", format="mp4", options=GROWING)
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}") from error
        if "libx264" in av.codecs_available:
            self._stream = self._container.add_stream("libx264", self._rate, {"crf": "18", "preset": "veryfast"})
        else:
            self._stream = self._container.add_stream("mpeg4", self._rate, {"q:v": "3"})
        self._stream.height, self._stream.width = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = self._unit
        self._stream.codec_context.sample_aspect_ratio = pixel_aspect
        self._stream.codec_context.max_b_frames = 0  # a film may end, and another follow, after any picture
        self._sound = sound
        if go_on:
            try:
                self._copy_earlier()
            except InputError:
                self.close(whole=False)
                raise

    def write(self, picture: np.ndarray, time: Fraction | None = None) -> None:
        """Appends a picture.

        Args:
            picture: RGB, uint8 `[H, W, 3]`.
            time: When it is to be seen, in seconds from the beginning; None where the rate tells. Never before the
                picture written last.

        Raises:
            InputError: The disk is full, or the like.
        """
        wanted = self.pictures / self._rate if time is None else time
        self._last = max(self._last + 1, round(wanted / self._unit))
        self.pictures += 1
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = self._last, self._unit
        self._put(frame)

    def _put(self, frame: av.VideoFrame | None) -> None:
        self._mux(self._stream.encode(frame))

    def _mux(self, packets: Sequence[av.Packet]) -> None:
        try:
            self._container.mux(packets)
        except OSError as error:
            raise self._cannot(error) from error

    def _copy_earlier(self) -> None:
        """Begins with the film that is there; one that cannot be continued is left out."""
        with contextlib.suppress(av.error.FFmpegError, OSError), av.open(str(self.path)) as earlier:
            source = earlier.streams.video[0]
            if not self._fits(source):
                return
            for packet in encoder_packets(source, earlier):
                self._last = round((packet.pts or 0) * (packet.time_base or Fraction(1)) / self._unit)
                packet.stream = self._stream
                self._mux([packet])
                self.pictures += 1

    def _fits(self, source: av.VideoStream) -> bool:
        """Whether a film was made as this one is."""
        written = self._stream
        return (source.height, source.width) == (written.height, written.width) and (
            source.codec_context.codec.canonical_name == written.codec_context.codec.canonical_name
        )

    def close(self, whole: bool) -> None:
        """Makes what was written a file that can be played; the rest of the sound belongs to a whole film.

        Raises:
            InputError: The disk is full, or the like; what had room can be played.
        """
        try:
            if not self._broken:
                self._put(None)
        finally:
            try:
                self._publish(whole)
            finally:
                self._unfinished.unlink(missing_ok=True)

    def _publish(self, whole: bool) -> None:
        seekable = self._unfinished.with_suffix(".seekable")
        try:
            self._container.close()
            if self.pictures:
                make_seekable(self._unfinished, seekable, self._sound, whole)
                os.replace(seekable, self.path)
        except OSError as error:
            seekable.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                cut_to_whole_pictures(self._unfinished)
                if self._unfinished.stat().st_size:
                    os.replace(self._unfinished, self.path)
            raise self._cannot(error) from error

    def _cannot(self, error: OSError) -> InputError:
        self._broken = True
        return InputError(f"{self.path} cannot be written: {error.strerror}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.nullcontext() if error is None else contextlib.suppress(InputError):
            self.close(whole=error is None)  # after an error, the first problem is the one to tell
