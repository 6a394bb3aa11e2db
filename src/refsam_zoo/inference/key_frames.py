"""Key frames of a video whose length nobody knows: spread over it, and of each part the one that shows most."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from refsam_zoo.output_files import write_whole

Merit = tuple[int, int]
"""How much a frame shows: expressions found, then pixels of their masks."""

MOST = 4
_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass
class KeyFrame:
    """The best frame of a part of the video.

    Attributes:
        merit: How much it shows.
        time: When it is shown, in seconds.
        picture: RGB, uint8 `[h, w, 3]`.
    """

    merit: Merit
    time: float
    picture: np.ndarray


class KeyFrames:
    """Keeps the best frame of each of four to eight equal parts of what was seen so far.

    Attributes:
        frames: How many were seen.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._length = 1
        self._parts: list[KeyFrame] = []

    def wants(self, merit: Merit) -> bool:
        """Whether the next frame would be kept."""
        return self.frames % self._length == 0 or merit > self._parts[-1].merit

    def skip(self) -> None:
        """Passes over the next frame, which is not wanted."""
        self._count()

    def take(self, frame: KeyFrame) -> None:
        """Keeps the next frame."""
        if self.frames % self._length == 0:
            self._parts.append(frame)
        else:
            self._parts[-1] = frame
        self._count()

    def best(self) -> list[KeyFrame]:
        """Gives at most four key frames in order."""
        ends = np.linspace(0, len(self._parts), min(MOST, len(self._parts)) + 1).round().astype(int)
        return [_better(self._parts[begin:end]) for begin, end in pairwise(ends)]

    def _count(self) -> None:
        self.frames += 1
        if len(self._parts) == 2 * MOST and self.frames % self._length == 0:
            self._parts = [_better(self._parts[start : start + 2]) for start in range(0, 2 * MOST, 2)]
            self._length *= 2

    def save(self, path: Path) -> None:
        """Writes what was kept, for `load`.

        Raises:
            InputError: The file cannot be written.
        """
        content = io.BytesIO()
        np.savez(
            content,
            counts=np.array([self.frames, self._length]),
            merits=np.array([part.merit for part in self._parts]).reshape(-1, 2),
            times=np.array([part.time for part in self._parts]),
            pictures=np.array([part.picture for part in self._parts]),
        )
        write_whole(path, content.getvalue())

    @classmethod
    def load(cls, path: Path) -> KeyFrames:
        """Reads what `save` wrote; nothing seen where that is not there or damaged."""
        found = cls()
        try:
            with np.load(path, allow_pickle=False) as saved:
                counts, merits, times = (saved[name].tolist() for name in ("counts", "merits", "times"))
                kept = zip(merits, times, saved["pictures"], strict=True)
                parts = [KeyFrame((shown, area), time, picture) for (shown, area), time, picture in kept]
                found.frames, found._length = counts
                found._parts = parts
        except _UNREADABLE:
            return cls()
        return found


def _better(parts: list[KeyFrame]) -> KeyFrame:
    return max(parts, key=lambda part: part.merit)
