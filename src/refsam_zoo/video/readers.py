"""The choice of a reader for what is on disk, and readers kept open from one sample to the next."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.file_names import FRAMES
from refsam_zoo.types import VideoSource
from refsam_zoo.video.base import VideoReader
from refsam_zoo.video.frame_folder import FrameFolderReader, SinglePictureReader
from refsam_zoo.video.orientation import UPRIGHT
from refsam_zoo.video.packed_frames import PackedReader, PackedVideo
from refsam_zoo.video.packets import read_packets
from refsam_zoo.video.time_limit import within

Backend = Literal["auto", "decord", "torchcodec", "pyav"]
BACKENDS = ("auto", "decord", "torchcodec", "pyav")
INEXACT = {"decord": ("open", "gradual", "counted"), "torchcodec": ("gradual", "counted")}
"""Files (`Packets.order`) of which a back end was found to return other frames than those asked for."""
TIME_LIMIT = 60.0
"""Seconds without a decoded frame after which a file counts as broken."""


def open_video(
    source: VideoSource | str | Path,
    frames: Sequence[str] | None = None,
    backend: Backend = "auto",
    time_limit: float | None = TIME_LIMIT,
) -> VideoReader:
    """Opens a video for reading.

    Args:
        source: A folder of frames, a video file or a single picture, by its path or as a data set names it.
        frames: Names of the frames that positions count (`Referral.frames`); None takes every frame there is.
        backend: Decoder of video files; `auto` is PyAV, by time stamp where what the file holds can be trusted and by
            counting elsewhere. decord and torchcodec refuse the files of which they give wrong frames.
        time_limit: Seconds that opening a video file, and each read between two frames, may take; None for no limit.

    Returns:
        A reader with `len(frames)` frames.

    Raises:
        InputError: Nothing is there, it is not a whole video, it has too few frames, or the back end cannot read it.
    """
    if not isinstance(source, VideoSource):
        source = VideoSource(source)
    if isinstance(source, PackedVideo):
        reader: VideoReader = PackedReader(source)
    elif source.path.is_dir():
        reader = FrameFolderReader(source.path, frames)
    elif source.path.is_file() and source.path.suffix.lower() in FRAMES:
        reader = SinglePictureReader(source.path)
    elif source.path.is_file():
        indices = source.indices
        if indices is None and frames is not None:
            indices = tuple(range(len(frames)))
        reader = within(time_limit, lambda: _open_file(source.path, indices, backend), f"{source.path}: opening it")
    else:
        address = re.match(r"(\w{2,}):/+(.+)", source.path.as_posix())  # a path keeps one slash only
        if address:
            raise InputError(f"{address[1]}://{address[2]}: a web address is not read from; download the video first")
        raise InputError(f"{source.path}: no such video; expected a video file or a folder of frames")
    reader.time_limit = time_limit
    return reader


def _open_file(path: Path, indices: Sequence[int] | None, backend: str) -> VideoReader:
    if backend not in BACKENDS:
        raise InputError(f"unknown video back end '{backend}'{nearest_name(backend, BACKENDS)}")
    packets = read_packets(path)
    if backend in INEXACT and (packets.order in INEXACT[backend] or packets.orientation != UPRIGHT):
        raise InputError(f"{path}: {backend} gives wrong frames of such a file; use the video back end auto")
    if backend == "decord":
        from refsam_zoo.video.decord_reader import DecordReader

        return DecordReader(packets, indices)
    if backend == "torchcodec":
        from refsam_zoo.video.torchcodec_reader import TorchCodecReader

        return TorchCodecReader(packets, indices)
    from refsam_zoo.video.pyav_reader import PyAVReader

    return PyAVReader(packets, indices)


class VideoOpener:
    """Opens videos and keeps the last one open, since consecutive samples often share a video.

    It may be pickled and taken along by a fork; the open video stays with the process that opened it.

    Args:
        backend: Decoder of video files, see `open_video`.
        time_limit: Seconds that opening a video file, and each read between two frames, may take; None for no limit.
    """

    def __init__(self, backend: Backend = "auto", time_limit: float | None = TIME_LIMIT) -> None:
        self.backend: Backend = backend
        self.time_limit = time_limit
        self._reader: VideoReader | None = None
        self._opened: tuple[VideoSource, tuple[str, ...]] | None = None
        self._process = os.getpid()
        self._inherited: list[VideoReader | None] = []

    def open(self, source: VideoSource, frames: Sequence[str]) -> VideoReader:
        """Gives a reader that is good until the next call; the caller does not close it.

        Args:
            source: A folder of frames or a video file.
            frames: Names of the frames that positions count.

        Raises:
            InputError: As `open_video`.
        """
        if self._process != os.getpid():
            # After a fork the decoder's threads are missing here: even freeing it might wait for them for ever.
            self._inherited.append(self._reader)
            self._process, self._reader, self._opened = os.getpid(), None, None
        wanted = source, tuple(frames)
        if self._reader is None or wanted != self._opened:
            self.close()
            self._reader = open_video(source, frames, self.backend, self.time_limit)
            self._opened = wanted
        return self._reader

    def close(self) -> None:
        """Closes the video that is open, if this process opened it."""
        if self._reader is not None and self._process == os.getpid():
            self._reader.close()
            self._reader = self._opened = None

    def __getstate__(self) -> dict[str, Any]:
        return {"backend": self.backend, "time_limit": self.time_limit}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]
