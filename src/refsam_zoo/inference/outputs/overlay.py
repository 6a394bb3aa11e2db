"""The film: every frame with its masks and, below, which sentence has which colour."""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.inference.outputs.base import OUTPUTS, Output, SegmentedFrame, VideoFacts
from refsam_zoo.inference.overlay import Overlay
from refsam_zoo.inference.overlay_video import OverlayVideoWriter
from refsam_zoo.registry import ModelCard


@OUTPUTS.register(ModelCard("an mp4 film with the video's times and sound"))
class overlay(Output):
    """Writes `overlay.mp4`; an earlier run's is copied and continued. See `Output`."""

    file = "overlay.mp4"

    def __init__(self, folder: Path, facts: VideoFacts, kept: int | None = None) -> None:
        super().__init__(folder, facts)
        self._overlay = Overlay(facts.size, facts.expressions)
        self._film = OverlayVideoWriter(
            self.path,
            self._overlay.size,
            facts.fps,
            time_unit=facts.time_unit,
            pixel_aspect=facts.pixel_aspect,
            sound=facts.sound,
            go_on=kept is not None,
            growing=self.hidden / self.file,
        )
        self.frames = self._film.pictures

    def write(self, frame: SegmentedFrame) -> None:
        """See `Output.write`."""
        self._film.write(self._overlay.draw(frame.found.frame, frame.found.masks), frame.time)

    def close(self, whole: bool) -> None:
        """See `Output.close`."""
        self._film.close(whole and not self.facts.goes_on)
