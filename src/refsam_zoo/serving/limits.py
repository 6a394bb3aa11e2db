"""What a visitor may ask of the server."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 10**6


@dataclass(frozen=True)
class Limits:
    """Bounds on what visitors bring, so that none of them takes the machine from the others.

    Attributes:
        upload_mb: Size of a clip's file in megabytes.
        seconds: Length of a clip.
        frames: Frames of a clip.
        max_side: Longer side of a frame in pixels; larger frames are shrunk, masks have that size, too.
        sentences: Sentences about a clip.
        clips: Clips that may be here at once.
        idle_minutes: Minutes without a request after which a clip is deleted.
    """

    upload_mb: int = 200
    seconds: float = 60.0
    frames: int = 1800
    max_side: int = 1280
    sentences: int = 8
    clips: int = 8
    idle_minutes: float = 20.0

    @property
    def upload_bytes(self) -> int:
        """Size of a clip's file in bytes."""
        return self.upload_mb * MEGABYTE
