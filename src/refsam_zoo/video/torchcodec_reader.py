"""Video files through torchcodec, an optional back end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.video.file_reader import VideoFileReader
from refsam_zoo.video.packets import Packets


class TorchCodecReader(VideoFileReader):
    """Reads a video file with torchcodec on one thread; as exact as torchcodec is.

    Args:
        packets: What the file holds: upright pictures.
        indices: Number in the file of each position; None takes every frame.

    Raises:
        InputError: torchcodec is not usable here or cannot open the file, or the file has too few frames.
    """

    def __init__(self, packets: Packets, indices: Sequence[int] | None = None) -> None:
        super().__init__(packets, indices)
        try:
            from torchcodec.decoders import VideoDecoder

            self._decoder = VideoDecoder(str(self.path), dimension_order="NHWC", num_ffmpeg_threads=1)
            count = len(self._decoder)
        except (ImportError, OSError) as error:
            raise InputError(
                "the video back end torchcodec needs the package torchcodec and FFmpeg's shared libraries; use auto"
            ) from error
        except (RuntimeError, ValueError, TypeError) as error:
            raise InputError(
                f"{self.path}: not readable by torchcodec, which needs FFmpeg's shared libraries: {_reason(error)}; "
                "use the video back end auto"
            ) from error
        if count != len(packets.times):
            raise InputError(f"{self.path}: torchcodec finds {count} frames of {len(packets.times)}; use auto or pyav")

    def _decode(self, positions: list[int]) -> np.ndarray:
        wanted = self._numbers(positions)
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
