"""What the system knew before some frames of a clip, so that a correction does not begin with the first frame again."""

from __future__ import annotations

import copy
import logging
from typing import Any

_logger = logging.getLogger(__name__)
MOST = 8
"""Tracks kept; from twice as many frames on, those of every other place."""


class EarlierTracks:
    """Copies of the tracks of one clip.

    Attributes:
        every: Frames between two copies.
    """

    def __init__(self) -> None:
        self.every = 4
        self._copies: dict[int, list[Any]] = {}

    def add(self, frame: int, tracks: list[Any]) -> None:
        """Takes the tracks as they are before a frame; keeps a copy where it is time to."""
        if frame % self.every or frame in self._copies:
            return
        try:
            self._copies[frame] = copy.deepcopy(tracks)
        except Exception as error:  # objects may object to anything; then corrections begin with the first frame
            _logger.debug("the tracks of this system cannot be copied: %s", error)
        if len(self._copies) > MOST:
            self.every *= 2
            self._copies = {place: kept for place, kept in self._copies.items() if place % self.every == 0}

    def before(self, frame: int) -> tuple[int, list[Any]] | None:
        """Gives the last copy that no change in a frame or later touches, and forgets those after it.

        Returns:
            The frame before which it was made, and a copy that may be changed; None where there is none.
        """
        self._copies = {place: kept for place, kept in self._copies.items() if place <= frame}
        if not self._copies:
            return None
        place = max(self._copies)
        return place, copy.deepcopy(self._copies[place])
