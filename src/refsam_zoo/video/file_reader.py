"""What the readers of video files have in common, whichever library decodes for them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from refsam_zoo.errors import InputError
from refsam_zoo.video.base import VideoReader
from refsam_zoo.video.packets import Packets


class VideoFileReader(VideoReader):
    """A reader of a video file that was looked through before.

    Args:
        packets: What the file holds.
        indices: Number in the file of each position; None takes every frame.

    Raises:
        InputError: The file has too few frames.
    """

    def __init__(self, packets: Packets, indices: Sequence[int] | None = None) -> None:
        self.path = packets.path
        self.fps = packets.fps
        self.time_unit = packets.unit
        self.pixel_aspect = packets.pixel_aspect
        self.begin = packets.begin
        self._packets = packets
        self._indices = indices
        if packets.times and indices and max(indices) >= len(packets.times):
            raise self._too_few(max(indices), len(packets.times))

    def __len__(self) -> int:
        return len(self._packets.times) if self._indices is None else len(self._indices)

    def time(self, position: int) -> Fraction:
        """See `VideoReader.time`: the file's own time stamps, where they number the frames."""
        times = self._packets.times
        if not times:
            return super().time(position)
        return (times[self._numbers([position])[0]] - times[0]) * self._packets.unit

    def _numbers(self, positions: list[int]) -> list[int]:
        """Numbers in the file of some positions."""
        return positions if self._indices is None else [self._indices[position] for position in positions]

    def _too_few(self, wanted: int, count: int) -> InputError:
        return InputError(f"{self.path}: frame {wanted} is asked for, but the file has {count} frames")
