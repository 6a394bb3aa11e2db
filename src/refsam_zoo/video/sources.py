"""Whatever a person gives as a video: a file, a folder, a picture, a camera, an address, standard input."""

from __future__ import annotations

import glob
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from refsam_zoo.errors import InputError
from refsam_zoo.file_names import natural_order
from refsam_zoo.types import VideoSource
from refsam_zoo.video.frame_stream import FrameStream
from refsam_zoo.video.readers import TIME_LIMIT, Backend, open_video

STANDARD_INPUT = "-"
SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "tcp", "rtp")
"""Kinds of addresses."""
PROTOCOLS = "crypto,http,httpproxy,https,rtmp,rtmps,rtp,rtsp,srt,srtp,tcp,tls,udp"
"""What an address may lead to: playlists of strangers must not name files of this machine."""
CAMERAS = {"linux": ("/dev/video{}", "v4l2"), "darwin": ("{}", "avfoundation")}
"""System -> what libav calls a camera by its number, and its format."""


@dataclass(frozen=True)
class RawFrames:
    """What raw frames, which say nothing of themselves, are.

    Attributes:
        size: Their size, as WIDTHxHEIGHT.
        pixels: FFmpeg's name of the pixel format, such as rgb24, bgr24, gray or yuv420p.
        fps: Frames per second.
    """

    size: str
    pixels: str = "rgb24"
    fps: float = 25

    def __post_init__(self) -> None:
        import av

        if not re.fullmatch(r"[1-9]\d*x[1-9]\d*", self.size, re.ASCII):
            raise InputError(f"--raw: {self.size!r} is no size of raw frames; write WIDTHxHEIGHT, such as 640x480")
        try:
            av.VideoFormat(self.pixels)
        except ValueError as error:
            raise InputError(
                f"--raw_pixels: FFmpeg knows no pixel format {self.pixels!r}; for instance rgb24, bgr24, gray, yuv420p"
            ) from error

    @property
    def options(self) -> dict[str, str]:
        """What libav is told."""
        return {"video_size": self.size, "pixel_format": self.pixels, "framerate": f"{self.fps:g}"}


def open_frames(
    source: str | Path,
    backend: Backend = "auto",
    raw: RawFrames | None = None,
    time_limit: float | None = TIME_LIMIT,
) -> FrameStream:
    """Opens whatever shows frames.

    Args:
        source: A video file, a folder of pictures or a single one; `-` for standard input; an address such as
            `rtsp://...` or `http://...`; `0` or `/dev/video0` for a camera. What is on disk comes first.
        backend: Decoder of video files, see `open_video`.
        raw: What the frames are, where they come without a file format.
        time_limit: As that of `open_video`.

    Raises:
        InputError: Nothing is there, or it is no video.
    """
    text = str(source)
    path = Path(text)
    if text != STANDARD_INPUT and (path.is_dir() or (path.is_file() and raw is None)):
        return open_video(VideoSource(path), backend=backend, time_limit=time_limit)
    from refsam_zoo.video.live_stream import LiveStream

    what = ("rawvideo", raw.options) if raw else (None, {})
    name, label = source_name(text), _label(text)
    if text == STANDARD_INPUT:
        return LiveStream(sys.stdin.buffer, name, label, *what)
    if path.is_file() or path.is_fifo():
        return LiveStream(text, name, label, *what)
    if address := _address(text):
        return LiveStream(address, name, label, what[0], {"protocol_whitelist": PROTOCOLS, **what[1]})
    if (number := _camera(text)) is not None:
        device, kind = _device(number)
        return LiveStream(device, name, label, kind)
    raise InputError(
        f"{text}: no such video; expected a video file, a picture, a folder of pictures, an address (rtsp://...), "
        "a camera (0) or - for standard input"
    )


def source_name(source: str | Path) -> str:
    """What results of a source are called: its file name without suffix, or the like; a plain name."""
    text = str(source)
    if text == STANDARD_INPUT:
        return "stdin"
    if found := _address(text):
        address = urlsplit(found)
        return _plain(Path(address.path).stem or address.hostname or "stream")
    if not Path(text).exists() and (number := _camera(text)) is not None:
        return f"camera{number}"
    path = Path(text).absolute()
    return _plain(path.name if path.is_dir() else path.stem)


def find_sources(given: Sequence[str | Path]) -> dict[str, str]:
    """Finds out which videos are meant, and what the results of each are called.

    Args:
        given: Sources as `open_frames` takes them, or patterns such as `clips/*.mp4`.

    Returns:
        Name -> source, in the order given, those of a pattern in natural order. Names differ in more than capitals.

    Raises:
        InputError: Nothing fits a pattern, or none is given.
    """
    sources = [source for text in map(str, given) for source in _matches(text)]
    if not sources:
        raise InputError("no video is given")
    if sources.count(STANDARD_INPUT) > 1:
        raise InputError("-: standard input can be read once only")
    named: dict[str, str] = {}
    taken: set[str] = set()
    for source in sources:
        name = base = source_name(source)
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.casefold())
        named[name] = source
    return named


def _matches(text: str) -> list[str]:
    if Path(text).exists() or _address(text) or not glob.has_magic(text):
        return [text]
    found = sorted(glob.glob(text, recursive=True), key=natural_order)
    if not found:
        raise InputError(f"{text}: no file fits this pattern")
    return found


def _address(text: str) -> str | None:
    """Gives an address as it should be: as a path it has lost a slash; None where it is none."""
    parts = re.fullmatch(r"(\w+):/+(.+)", text)
    return f"{parts[1]}://{parts[2]}" if parts and parts[1].lower() in SCHEMES else None


def _label(text: str) -> str:
    """Names a source in messages; passwords and keys stay out of them."""
    if text == STANDARD_INPUT:
        return "standard input"
    if not (found := _address(text)):
        return text
    address = urlsplit(found)
    host = address.netloc.rpartition("@")[2]
    return f"{address.scheme}://{host}{address.path}"


def _camera(text: str) -> int | None:
    number = re.fullmatch(r"(?:/dev/video)?(\d{1,3})", text, re.ASCII)
    return int(number[1]) if number else None


def _device(number: int) -> tuple[str, str]:
    if sys.platform not in CAMERAS:
        raise InputError(f"camera {number}: cameras are read on Linux and macOS only; here, pipe its video to -")
    device, kind = CAMERAS[sys.platform]
    return device.format(number), kind


def _plain(name: str) -> str:
    """Makes a file name of a text: no separators, not hidden, not empty."""
    return re.sub(r"[\x00-\x1f/\\:*?\"<>|]+", "_", name).lstrip(".") or "video"
