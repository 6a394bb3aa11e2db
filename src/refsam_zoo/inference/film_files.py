"""Mp4 files while they grow and after: copied without decoding, and saved where the disk was full."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.bitstream import BitStreamFilterContext

from refsam_zoo.inference.sound import Sound

GROWING = {"movflags": "frag_every_frame+delay_moov+default_base_moof"}
"""Options of a file that can be played up to its last whole picture whenever its writer stops."""

_BOX_HEADER = 8


def make_seekable(growing: Path, target: Path, sound: tuple[Path, Fraction] | None, whole: bool) -> None:
    """Copies a growing file to one that begins with its table of contents, as players and web pages like it.

    Args:
        growing: A file of pictures.
        target: The new file.
        sound: A file whose sound is to be added, and the time in it at which the pictures begin, in seconds.
        whole: Whether the sound after the last picture belongs to it.

    Raises:
        OSError: The disk is full, or the like.
    """
    with (
        av.open(str(growing)) as source,
        av.open(str(target), "w", format="mp4", options={"movflags": "faststart"}) as copy,
        contextlib.ExitStack() as stack,
    ):
        pictures = copy.add_stream_from_template(source.streams.video[0])
        heard = stack.enter_context(contextlib.closing(Sound(*sound, copy))) if sound else None
        for packet in source.demux(video=0):
            if packet.size:
                time = (packet.pts or 0) * (packet.time_base or Fraction(1))
                packet.stream = pictures
                copy.mux(packet)
                for beside in heard.until(time) if heard else ():
                    copy.mux(beside)
        for beside in heard.until(None) if heard and whole else ():
            copy.mux(beside)


def cut_to_whole_pictures(growing: Path) -> None:
    """Takes away what of the last picture had room on a full disk."""
    end = 0
    with growing.open("r+b") as file:
        total = os.fstat(file.fileno()).st_size
        place = 0
        while place + _BOX_HEADER <= total:  # a picture is a box named moof and one named mdat
            file.seek(place)
            header = file.read(_BOX_HEADER)
            place += max(_BOX_HEADER, int.from_bytes(header[:4], "big"))
            if place <= total and header[4:] != b"moof":
                end = place
        file.truncate(end)


def encoder_packets(stream: av.VideoStream, container: av.container.InputContainer) -> Iterator[av.Packet]:
    """Gives the packets of an mp4 file as an encoder would, which have their times in order."""
    if stream.codec_context.name != "h264":
        yield from (packet for packet in container.demux(stream) if packet.size)
        return
    form = BitStreamFilterContext("h264_mp4toannexb", stream)
    for packet in container.demux(stream):
        yield from form.filter(packet if packet.size else None)
