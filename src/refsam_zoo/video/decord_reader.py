"""Video files through decord."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.video.file_reader import VideoFileReader
from refsam_zoo.video.packets import Packets


class DecordReader(VideoFileReader):
    """Reads a video file with decord on one thread.

    Args:
        packets: What the file holds: upright pictures in closed groups.
        indices: Number in the file of each position; None takes every frame.

    Raises:
        InputError: decord is not there or cannot open the file, or the file has too few frames.
    """

    def __init__(self, packets: Packets, indices: Sequence[int] | None = None) -> None:
        super().__init__(packets, indices)
        self._decord = _import_decord()
        self._decoder: Any = self._open()
        if len(self._decoder) != len(packets.times):
            raise InputError(
                f"{self.path}: decord finds {len(self._decoder)} frames of {len(packets.times)}; use auto or pyav"
            )

    def _decode(self, positions: list[int]) -> np.ndarray:
        wanted = self._numbers(positions)
        self._decoder = self._decoder or self._open()
        try:
            return self._decoder.get_batch(wanted).asnumpy()
        except (self._decord.DECORDError, RuntimeError) as error:
            self._decoder = None  # after an error it would give other frames than those asked for
            raise InputError(
                f"{self.path}: cannot decode frames {min(wanted)} to {max(wanted)}: {_reason(error)}"
            ) from error

    def _close(self) -> None:
        self._decoder = None

    def _open(self) -> Any:
        try:
            return self._decord.VideoReader(str(self.path), ctx=self._decord.cpu(0), num_threads=1)
        except (self._decord.DECORDError, RuntimeError) as error:
            raise InputError(f"{self.path}: not a readable video: {_reason(error)}") from error


def _import_decord() -> ModuleType:
    try:
        import decord
    except (ImportError, OSError, RuntimeError) as error:  # the latter two where its library does not load
        raise InputError(
            "the video back end decord needs the package decord, made for Linux and Windows on x86 processors; use auto"
        ) from error
    decord.logging.set_level(decord.logging.FATAL)
    return decord


def _reason(error: Exception) -> str:
    """The last clause of a decord error, without its C++ locations and stack."""
    return str(error).strip().partition("\n")[0].rsplit(": ", 1)[-1] or type(error).__name__
