"""Opening videos one after the other, as data sets do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from refsam_zoo.types import VideoSource
from refsam_zoo.video.readers import TIME_LIMIT, Backend, VideoReader, open_video


class VideoOpener:
    """Opens videos and keeps the last one open, since consecutive samples often share a video.

    It may be pickled and taken along by a fork; the open video stays with the process that opened it.

    Args:
        backend: Decoder of video files, see `open_video`.
        time_limit: Seconds that opening, and each read between two frames, may take; None for no limit.
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
