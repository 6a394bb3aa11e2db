"""Video files through decord."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.video.readers import VideoReader


class DecordReader(VideoReader):
    """Reads a video file with decord on one thread.

    Args:
        path: The file.
        indices: The decoder's index of each position; None takes every frame.

    Raises:
        InputError: decord cannot open the file, or it has too few frames.
    """

    def __init__(self, path: Path, indices: Sequence[int] | None = None) -> None:
        self.path = path
        self._decoder = decoder = _open(path)
        self.fps = float(decoder.get_avg_fps())
        self._indices = np.arange(len(decoder)) if indices is None else np.asarray(indices, dtype=np.int64)
        if self._indices.size and self._indices.max() >= len(decoder):
            raise InputError(
                f"{path}: frame {self._indices.max()} is asked for, but the file has {len(decoder)} frames"
            )

    def __len__(self) -> int:
        return len(self._indices)

    def _decode(self, positions: list[int]) -> np.ndarray:
        import decord

        wanted = self._indices[positions]
        self._decoder = self._decoder or _open(self.path)
        try:
            return self._decoder.get_batch(wanted).asnumpy()
        except (decord.DECORDError, RuntimeError) as error:
            self._decoder = None  # after an error it would give other frames than those asked for
            raise InputError(
                f"{self.path}: cannot decode frames {wanted.min()} to {wanted.max()}: {_reason(error)}"
            ) from error

    def _close(self) -> None:
        self._decoder = None


def _open(path: Path) -> Any:
    import decord

    decord.logging.set_level(decord.logging.FATAL)
    try:
        return decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
    except (decord.DECORDError, RuntimeError) as error:
        raise InputError(f"{path}: not a readable video: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """The last clause of a decord error, without its C++ locations and stack."""
    return str(error).strip().partition("\n")[0].rsplit(": ", 1)[-1] or type(error).__name__
