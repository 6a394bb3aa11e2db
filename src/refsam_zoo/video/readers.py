"""One way to read a video, whatever it is stored as."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from typing_extensions import Self

from refsam_zoo.errors import InputError
from refsam_zoo.types import VideoSource


class VideoReader(ABC):
    """Frames of one video by their position.

    A reader belongs to the process that opened it: it is neither pickled nor stored on a data set. Use it as a
    context manager.

    Attributes:
        path: Video file or folder of frames.
        size: Height and width of a frame as displayed.
        fps: Frames per second; nominal where the source does not say.
    """

    path: Path
    size: tuple[int, int]
    fps: float

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def _decode(self, positions: list[int]) -> np.ndarray:
        """Decodes distinct ascending valid positions to uint8 `[N, H, W, 3]`."""

    def close(self) -> None:  # noqa: B027 - most readers hold nothing to close
        """Frees decoder and file; the reader is not usable afterwards."""

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """Reads frames in the order asked; each is decoded once, in the order of the file.

        Args:
            indices: Positions from 0 to `len(self) - 1`, repeats allowed.

        Returns:
            RGB, uint8 `[N, H, W, 3]`.

        Raises:
            InputError: A position is outside the video, or a frame is missing or damaged; names file and frame.
        """
        for index in indices:
            if not 0 <= index < len(self):
                raise InputError(f"{self.path}: no frame {index}, the video has {len(self)} frames")
        distinct = sorted(set(indices))
        frames = self._decode(distinct) if distinct else np.empty((0, *self.size, 3), np.uint8)
        if list(indices) == distinct:
            return frames
        place = {position: row for row, position in enumerate(distinct)}
        return frames[[place[index] for index in indices]]

    def stream(self, batch: int = 1) -> Iterator[np.ndarray]:
        """Reads the whole video from the start in memory independent of its length.

        Args:
            batch: Frames per step; the last step may hold fewer.

        Yields:
            RGB, uint8 `[n, H, W, 3]` with `1 <= n <= batch`.
        """
        for start in range(0, len(self), batch):
            yield self._decode(list(range(start, min(start + batch, len(self)))))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_video(source: VideoSource, frames: Sequence[str] | None = None) -> VideoReader:
    """Opens a video for reading.

    Args:
        source: A folder of frames or a video file.
        frames: Names of the frames that positions count (`Referral.frames`); None takes every frame there is.

    Returns:
        A reader with `len(frames)` frames.

    Raises:
        InputError: Nothing is there, or it is not a video.
    """
    if source.path.is_dir():
        from refsam_zoo.video.frame_folder import FrameFolderReader

        return FrameFolderReader(source.path, frames)
    if not source.path.is_file():
        raise InputError(f"{source.path}: no such video; expected a video file or a folder of frames")
    from refsam_zoo.video.decord_reader import DecordReader

    indices = source.indices
    if indices is None and frames is not None:
        indices = tuple(range(len(frames)))
    return DecordReader(source.path, indices)
