"""What a video file really holds: the order of its packets and where decoding can begin.

Only that decides which decoder gives the right frame for a number. Decoders seek to a key frame and trust what the
file says about time; open groups of pictures, edit lists, doubled or jumping time stamps make them return other frames
than those asked for, without an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from refsam_zoo.errors import InputError
from refsam_zoo.video.file_layout import is_fragmented, missing_bytes
from refsam_zoo.video.key_frames import starts_clean, starts_instantaneously
from refsam_zoo.video.orientation import UPRIGHT, Orientation, frame_orientation

if TYPE_CHECKING:
    import av

SEEKABLE_FORMATS = ("mov", "mp4", "matroska", "webm")
SEEKABLE_CODECS = ("h264", "hevc", "vp9", "av1")
"""Codecs in which every packet gives exactly one frame, so that sorted time stamps number the frames."""
REORDERED = ("h264", "hevc")
Order = Literal["closed", "open", "gradual", "counted"]
LARGEST_REORDERING = 16
"""Frames by which decoding and display order may differ in H.264 and HEVC."""


@dataclass(frozen=True)
class Packets:
    """The packets of a file's first video stream.

    Attributes:
        path: The file.
        fps: Average frames per second, by the time stamps where they number the frames; 0 where nothing tells.
        unit: Seconds of a unit of the stream's time stamps.
        begin: Time of the first frame in seconds, on the clock that sound shares.
        pixel_aspect: Width of a pixel as displayed over its height.
        orientation: How players turn and mirror the pictures, by the first of them.
        timed: Whether time stamps are those of the frames, even where they do not number them.
        times: Time stamp of each frame in display order, in units of the stream; empty where `order` is `counted`.
        starts: Numbers of the frames at which decoding can begin, ascending.
        order: `closed`: no frame refers across a key frame, any decoder is exact; `open`: time stamps number the frames
            and decoding can begin at every key frame; `gradual`: it cannot begin at all of them; `counted`: only
            decoding from the start and counting numbers the frames.
        independent: Whether nothing decoded after one of `starts` mentions what came before it. Otherwise a decoder
            that is to tell damage from such mentions must begin one start earlier.
    """

    path: Path
    fps: float
    unit: Fraction
    begin: Fraction
    pixel_aspect: Fraction
    orientation: Orientation
    timed: bool
    times: tuple[int, ...]
    starts: tuple[int, ...]
    order: Order
    independent: bool


def read_packets(path: Path) -> Packets:
    """Looks at every packet of a file without decoding any; the last few answers are remembered.

    Raises:
        InputError: Not a readable file, no video in it, a file that is cut off, or a video that begins in the middle
            of a group of pictures, so that nobody can say which of its frames is the first.
    """
    status = path.stat()
    return _read_packets(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=256)
def _read_packets(path: Path, changed: int, size: int) -> Packets:
    import av

    av.logging.set_level(None)
    try:
        with av.open(str(path)) as container:
            missing = missing_bytes(path)
            if missing:
                raise InputError(f"{path}: cut off, {missing} bytes are missing at its end; copy it again")
            if not container.streams.video:
                raise InputError(f"{path}: not a readable video: it has no picture stream")
            return _examine(path, container)
    except av.error.FFmpegError as error:
        raise InputError(f"{path}: not a readable video: {error.strerror}") from error


def picture_stream(container: av.container.InputContainer) -> av.VideoStream:
    """The stream that players show: not a cover picture, even if that comes first."""
    best = container.streams.best("video")
    return next(stream for stream in container.streams.video if best is None or stream.index == best.index)


def _examine(path: Path, container: av.container.InputContainer) -> Packets:
    stream = picture_stream(container)
    codec = stream.codec_context.name.removeprefix("lib").replace("dav1d", "av1")
    extra = bytes(stream.codec_context.extradata or b"")
    times: list[int | None] = []
    keys: list[tuple[int, bool, bool]] = []
    orientation, discarded = UPRIGHT, False
    for packet in container.demux(stream):
        if not packet.size:
            continue
        if packet.is_keyframe:
            data = bytes(packet)
            clean = starts_clean(data, codec, extra)
            keys.append((len(times), clean, clean and starts_instantaneously(data, codec, extra)))
        if not times:
            orientation = _orientation(packet)
        discarded |= packet.is_discard
        times.append(packet.pts)
    if not times:
        raise InputError(f"{path}: not a readable video: it holds no pictures")
    if not keys or keys[0][0] != 0 or (codec in REORDERED and not discarded and _leads(times)):
        raise InputError(
            f"{path}: begins in the middle of a group of pictures, so its frames have no numbers; encode it again"
        )
    timed = not discarded and _ordered(times)
    numbered = timed and container.format.name.split(",")[0] in SEEKABLE_FORMATS and codec in SEEKABLE_CODECS
    stamps = [time for time in times if time is not None]
    shown = tuple(sorted(stamps)) if numbered else ()
    unit = stream.time_base or Fraction(1, 1000)
    aspect = stream.sample_aspect_ratio or Fraction(1)
    order, starts, independent = _order(path, shown, stamps, keys, codec) if numbered else ("counted", (0,), True)
    return Packets(
        path,
        fps=_rate(stream, stamps, unit, numbered),
        unit=unit,
        begin=shown[0] * unit if numbered else (stream.start_time or 0) * unit,
        pixel_aspect=1 / aspect if orientation.transposed else aspect,
        orientation=orientation,
        timed=timed,
        times=shown,
        starts=starts,
        order=order,
        independent=independent,
    )


def _orientation(packet: av.Packet) -> Orientation:
    """How the picture of a file's first packet is to be displayed; nothing is said where it cannot be decoded."""
    import av

    decoder = packet.stream.codec_context
    decoder.thread_count = 1
    try:
        frames = [*decoder.decode(packet), *decoder.decode(None)]
    except av.error.FFmpegError:
        frames = []
    return frame_orientation(frames[0]) if frames else UPRIGHT


def _rate(stream: av.VideoStream, stamps: list[int], unit: Fraction, numbered: bool) -> float:
    """Mean frames per second. What a file claims is right where time stamps are not, and often wrong where they are."""
    span = (max(stamps) - min(stamps)) * unit if stamps else 0
    if span and (numbered or not stream.average_rate):
        return float((len(stamps) - 1) / span)
    return float(stream.average_rate or stream.guessed_rate or 0)


def _order(
    path: Path, shown: tuple[int, ...], times: list[int], keys: list[tuple[int, bool, bool]], codec: str
) -> tuple[Order, tuple[int, ...], bool]:
    """Tells how key frames can be used where sorted time stamps number the frames: see `Packets`."""
    rank = {time: number for number, time in enumerate(shown)}
    starts = tuple(rank[times[place]] for place, clean, _ in keys if clean)
    independent = codec != "h264" or all(instantaneous for _, clean, instantaneous in keys if clean)
    order: Order = "open"
    if not all(clean for _, clean, _ in keys):
        order = "gradual"
    # In a closed group everything decoded before its key frame is shown before it, and nothing decoded later is.
    elif codec == "h264" and independent and all(rank[times[place]] == place for place, _, _ in keys):
        order = "open" if is_fragmented(path) else "closed"  # decord miscounts closed groups in fragmented files
    return order, starts, independent


def _leads(times: list[int | None]) -> bool:
    """Whether a picture decoded soon after the first one is shown before it: its group's beginning is missing."""
    soon = [time for time in times[: LARGEST_REORDERING + 1] if time is not None]
    return bool(soon) and min(soon) != times[0]


def _ordered(times: list[int | None]) -> bool:
    """Whether time stamps are complete, distinct and close to the order of decoding."""
    if None in times or len(set(times)) < len(times):
        return False
    rank = {time: number for number, time in enumerate(sorted(time for time in times if time is not None))}
    return all(abs(rank[time] - place) <= LARGEST_REORDERING for place, time in enumerate(times) if time is not None)
