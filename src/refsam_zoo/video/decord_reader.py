"""Video files through decord."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
        import decord

        self.path = path
        decord.logging.set_level(decord.logging.FATAL)
        try:
            self._decoder = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
        except (decord.DECORDError, RuntimeError) as error:
            raise InputError(f"{path}: not a readable video: {_first_line(error)}") from error
        self.fps = float(self._decoder.get_avg_fps())
        self._indices = np.arange(len(self._decoder)) if indices is None else np.asarray(indices, dtype=np.int64)
        if self._indices.size and self._indices.max() >= len(self._decoder):
            raise InputError(
                f"{path}: frame {self._indices.max()} is asked for, but the file has {len(self._decoder)} frames"
            )

    def __len__(self) -> int:
        return len(self._indices)

    def _decode(self, positions: list[int]) -> np.ndarray:
        import decord

        wanted = self._indices[positions]
        try:
            return self._decoder.get_batch(wanted).asnumpy()
        except (decord.DECORDError, RuntimeError) as error:
            raise InputError(
                f"{self.path}: cannot decode frames {wanted.min()} to {wanted.max()}: {_first_line(error)}"
            ) from error

    def _close(self) -> None:
        self._decoder = None


def _first_line(error: Exception) -> str:
    """The sentence of a decord error without its C++ location and stack."""
    return str(error).strip().splitlines()[0].split("] ", 1)[-1] if str(error).strip() else type(error).__name__
