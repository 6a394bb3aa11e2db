"""All clips that are on the server, and when they go."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.serving.clips import Clip, GoneError
from refsam_zoo.serving.limits import Limits

UNWATCHED = 30.0
"""Seconds that a clip stays without a page that follows it."""


class FullError(InputError):
    """There is no room for another clip now."""


class ClipStore:
    """The clips of all visitors; used in the event loop only.

    Args:
        folder: Where they lie.
        limits: What visitors may ask.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.limits = limits
        self._folder = folder
        self._clips: dict[str, Clip] = {}
        self._arriving = 0

    @contextmanager
    def arriving(self) -> Iterator[Path]:
        """Makes room for a clip.

        Yields:
            A new folder; it is deleted again unless a clip in it was added.

        Raises:
            FullError: As many clips as are taken are here.
        """
        if len(self._clips) + self._arriving >= self.limits.clips:
            raise FullError("as many clips as this server takes are here already; try again in a few minutes")
        self._arriving += 1
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        try:
            yield folder
        finally:
            self._arriving -= 1
            if all(clip.folder != folder for clip in self._clips.values()):
                shutil.rmtree(folder, ignore_errors=True)

    def add(self, clip: Clip) -> None:
        """Keeps a clip until it is removed."""
        self._clips[clip.id] = clip

    def get(self, id: str) -> Clip:
        """Finds a clip by what its visitor calls it.

        Raises:
            GoneError: There is none.
        """
        clip = self._clips.get(id)
        if clip is None:
            raise GoneError("this clip was deleted; bring it again")
        clip.used = time.monotonic()
        return clip

    def remove(self, clip: Clip) -> None:
        """Stops all work on a clip and deletes it."""
        self._clips.pop(clip.id, None)
        clip.close()

    def remove_idle(self) -> None:
        """Removes the clips that nobody follows, and those whose page has asked for nothing for too long."""
        now = time.monotonic()
        for clip in list(self._clips.values()):
            at_work = clip.run is not None and not clip.run.ended
            idle = now - clip.used
            if (not clip.watched and idle > UNWATCHED) or (not at_work and idle > 60 * self.limits.idle_minutes):
                self.remove(clip)

    def close(self) -> None:
        """Removes all clips."""
        for clip in list(self._clips.values()):
            self.remove(clip)
