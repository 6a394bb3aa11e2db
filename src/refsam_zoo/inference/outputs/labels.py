"""Frames and masks with a table of sentences: what the data module `ReferringFolder` trains on."""

from __future__ import annotations

from pathlib import Path

import simplejpeg

from refsam_zoo.inference.mask_folder import encode_mask
from refsam_zoo.inference.outputs.base import OUTPUTS, Output, SegmentedFrame, VideoFacts
from refsam_zoo.output_files import output_path, write_whole
from refsam_zoo.registry import ModelCard
from refsam_zoo.text_tables import format_csv

QUALITY = 95
"""Of the JPEG files."""


@OUTPUTS.register(ModelCard("frames, masks and a table of sentences, to be corrected and trained on"))
class labels(Output):
    """Writes `labels/annotations.csv`, `labels/frames/<video>/<frame>.jpg` and masks in `labels/masks`; see `Output`.

    The mask of a frame is there before the frame itself.
    """

    file = "labels"

    def __init__(self, folder: Path, facts: VideoFacts, kept: int | None = None) -> None:
        super().__init__(folder, facts, kept)
        rows = [
            (f"frames/{facts.name}", sentence, f"masks/{facts.name}/{number}")
            for number, sentence in facts.numbered.items()
        ]
        write_whole(self.path / "annotations.csv", format_csv([("video", "expression", "mask"), *rows]))

    def write(self, frame: SegmentedFrame) -> None:
        """See `Output.write`."""
        for number, mask in zip(self.facts.numbered, frame.found.masks, strict=True):
            path = output_path(self.path / "masks", self.facts.name, number, frame.name, suffix=".png")
            write_whole(path, encode_mask(mask))
        content = simplejpeg.encode_jpeg(frame.found.frame, quality=QUALITY)
        write_whole(output_path(self.path / "frames", self.facts.name, frame.name, suffix=".jpg"), content)
