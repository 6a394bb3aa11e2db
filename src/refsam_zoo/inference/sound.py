"""Carries the sound of a video file over into another one."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av

_logger = logging.getLogger(__name__)

COPIED = ("aac", "mp3", "ac3", "eac3", "opus", "alac")
"""Codecs that players expect in an mp4 file; sound of others becomes AAC."""

AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


class Sound:
    """Puts the sound of a file beside pictures, piece by piece; what of it is damaged is left out with a warning.

    Args:
        path: The file that has the sound; one without it is fine.
        begin: Time in that file, in seconds, that becomes 0.
        target: The mp4 container being written, before the first picture.
    """

    def __init__(self, path: Path, begin: Fraction, target: av.container.OutputContainer) -> None:
        self._path = path
        self._begin = begin
        self._source = av.open(str(path))
        stream = self._source.streams.best("audio")
        self._packets: Iterator[av.Packet] = iter(())
        if isinstance(stream, av.AudioStream) and stream.codec_context is not None:
            self._packets = self._written(stream, target)
        self._next = next(self._packets, None)

    def until(self, time: Fraction | None) -> Iterator[av.Packet]:
        """Gives the packets that begin up to a time in seconds; None for all that are left."""
        while self._next is not None and (time is None or _start(self._next) <= time):
            yield self._next
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Closes the file."""
        self._packets, self._next = iter(()), None
        self._source.close()

    def _written(self, stream: av.AudioStream, target: av.container.OutputContainer) -> Iterator[av.Packet]:
        try:
            copied = stream.codec_context.name.removesuffix("float") in COPIED
            yield from self._copied(stream, target) if copied else self._encoded(stream, target)
        except (av.error.FFmpegError, ValueError) as error:
            _logger.warning("%s: the rest of its sound is left out: %s", self._path, error)

    def _copied(self, stream: av.AudioStream, target: av.container.OutputContainer) -> Iterator[av.Packet]:
        written, last = target.add_stream_from_template(stream), None
        for packet in self._source.demux(stream):
            if packet.pts is not None and packet.size and packet.time_base:
                shift = round(self._begin / packet.time_base)
                packet.pts, packet.dts = packet.pts - shift, (packet.pts if packet.dts is None else packet.dts) - shift
                packet.stream = written
                if packet.pts + (packet.duration or 0) >= 0 and (last is None or packet.dts > last):
                    last = packet.dts
                    yield packet

    def _encoded(self, stream: av.AudioStream, target: av.container.OutputContainer) -> Iterator[av.Packet]:
        rate = stream.rate if stream.rate in AAC_RATES else AAC_RATES[-1]
        written = target.add_stream("aac", rate=rate, layout="mono" if stream.channels == 1 else "stereo")
        for frame in self._source.decode(stream):
            if frame.pts is not None and frame.time_base:
                frame.pts -= round(self._begin / frame.time_base)
            yield from written.encode(frame)
        yield from written.encode(None)


def _start(packet: av.Packet) -> Fraction:
    return (packet.pts or 0) * (packet.time_base or Fraction(1))
