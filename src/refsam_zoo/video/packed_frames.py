"""Videos and masks inside shards: every frame and every mask is a picture somewhere in a tar file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refsam_zoo.types import VideoSource
from refsam_zoo.video.byte_ranges import ByteRange, read_ranges
from refsam_zoo.video.frame_folder import PictureReader, decode_picture
from refsam_zoo.video.masks import IndexedMasks, decode_indexed


@dataclass(frozen=True)
class PackedVideo(VideoSource):
    """Frames inside a shard; `path` only names it.

    Attributes:
        pictures: Where the JPEG or PNG file of each frame is.
    """

    pictures: tuple[ByteRange, ...] = ()


class PackedReader(PictureReader):
    """Reads the frames of a `PackedVideo`, only those asked for.

    Args:
        source: Where they are.
        fps: Nominal rate, as pictures carry none.
    """

    def __init__(self, source: PackedVideo, fps: float = 6.0) -> None:
        self.path = source.path
        self.fps = fps
        self._pictures = source.pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def _name(self, position: int) -> str:
        return str(self._pictures[position])

    def _read_pictures(self, positions: Sequence[int]) -> list[np.ndarray]:
        ranges = [self._pictures[position] for position in positions]
        contents = read_ranges(ranges)
        return [decode_picture(content, str(part)) for content, part in zip(contents, ranges, strict=True)]


@dataclass(frozen=True)
class PackedMasks(IndexedMasks):
    """Indexed PNG files inside a shard; a `MaskSource`.

    Attributes:
        pictures: Where the file of each frame is.
        object_ids: The mask is the union of these values; empty for an absent target, None for every value but 0.
    """

    pictures: tuple[ByteRange, ...]
    object_ids: tuple[int, ...] | None

    @property
    def shared(self) -> tuple[ByteRange, ...]:
        """See `IndexedMasks.shared`."""
        return self.pictures

    def read_ids(self, positions: Sequence[int], size: tuple[int, int]) -> np.ndarray:
        """See `IndexedMasks.read_ids`."""
        ranges = [self.pictures[position] for position in positions]
        contents = read_ranges(ranges)
        return np.stack(
            [
                decode_indexed(io.BytesIO(content), str(part), size)
                for content, part in zip(contents, ranges, strict=True)
            ]
        )
