"""Video files through torchcodec, an optional back end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.video.readers import VideoReader


class TorchCodecReader(VideoReader):
    """Reads a video file with torchcodec on one thread; as exact as torchcodec is.

    Args:
        path: The file.
        indices: Number in the file of each position; None takes every frame.

    Raises:
        InputError: torchcodec is not usable here or cannot open the file, or the file has too few frames.
    """

    def __init__(self, path: Path, indices: Sequence[int] | None = None) -> None:
        self.path = path
        try:
            from torchcodec.decoders import VideoDecoder

            self._decoder = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=1)
            count = len(self._decoder)
        except (ImportError, OSError, RuntimeError, ValueError, TypeError) as error:
            if isinstance(error, (ImportError, OSError)) or "libtorchcodec" in str(error):  # loaded at the first use
                raise InputError(
                    "the video back end torchcodec needs the package torchcodec and FFmpeg's shared libraries; use auto"
                ) from error
            raise InputError(f"{path}: not a readable video: {_reason(error)}") from error
        self.fps = float(self._decoder.metadata.average_fps or 0)
        self._indices = np.arange(count) if indices is None else np.asarray(indices, dtype=np.int64)
        if self._indices.size and self._indices.max() >= count:
            raise InputError(f"{path}: frame {self._indices.max()} is asked for, but the file has {count} frames")

    def __len__(self) -> int:
        return len(self._indices)

    def _decode(self, positions: list[int]) -> np.ndarray:
        wanted = self._indices[positions].tolist()
        try:
            return self._decoder.get_frames_at(wanted).data.numpy()
        except (RuntimeError, IndexError) as error:
            raise InputError(
                f"{self.path}: cannot decode frames {wanted[0]} to {wanted[-1]}: {_reason(error)}"
            ) from error

    def _close(self) -> None:
        del self._decoder


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
