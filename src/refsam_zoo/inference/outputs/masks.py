"""One mask per sentence and frame: what `referring_folder` and the evaluation read."""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.inference.mask_folder import MaskFolder
from refsam_zoo.inference.outputs.base import OUTPUTS, Output, SegmentedFrame, VideoFacts
from refsam_zoo.registry import ModelCard


@OUTPUTS.register(ModelCard("an indexed PNG of 0 and 1 per sentence and frame"))
class masks(Output):
    """Writes `masks/<video>/<number of the sentence>/<frame>.png`; see `Output`."""

    file = "masks"

    def __init__(self, folder: Path, facts: VideoFacts, kept: int | None = None) -> None:
        super().__init__(folder, facts, kept)
        self._files = MaskFolder(self.path)

    def write(self, frame: SegmentedFrame) -> None:
        """See `Output.write`."""
        for number, mask in zip(self.facts.numbered, frame.found.masks, strict=True):
            self._files.write(self.facts.name, number, frame.name, mask)

    def keep(self) -> None:
        """See `Output.keep`."""
        self._files.wait()

    def close(self, whole: bool) -> None:
        """See `Output.close`."""
        self._files.close()
