"""One picture of all sentences per frame, as DAVIS and Ref-YouTube-VOS ship ground truth."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.inference.legend import colour
from refsam_zoo.inference.outputs.base import OUTPUTS, Output, SegmentedFrame, VideoFacts
from refsam_zoo.output_files import output_path, write_whole
from refsam_zoo.registry import ModelCard

MOST = 255
"""Sentences that have a number in 8 bits."""


@OUTPUTS.register(ModelCard("an indexed PNG per frame, of the numbers of the sentences"))
class indexed(Output):
    """Writes `indexed/<video>/<frame>.png` in the colours of the overlay, 0 for background; see `Output`.

    Where masks overlap, the sentence of the higher score has the pixel, of equal ones the first.

    Raises:
        InputError: There are more than 255 sentences.
    """

    file = "indexed"

    def __init__(self, folder: Path, facts: VideoFacts, kept: int | None = None) -> None:
        super().__init__(folder, facts, kept)
        if len(facts.expressions) > MOST:
            raise InputError(f"an indexed PNG has numbers for {MOST} sentences, not {len(facts.expressions)}")
        colours = [(0, 0, 0), *map(colour, range(len(facts.expressions)))]
        self._palette = [value for rgb in colours for value in rgb]

    def write(self, frame: SegmentedFrame) -> None:
        """See `Output.write`."""
        ids = np.zeros(self.facts.size, np.uint8)
        for number in np.argsort(-frame.found.scores, kind="stable")[::-1]:
            ids[frame.found.masks[number]] = number + 1
        image, content = Image.fromarray(ids), io.BytesIO()
        image.putpalette(self._palette)
        image.save(content, "PNG", compress_level=1)
        write_whole(output_path(self.path, self.facts.name, frame.name, suffix=".png"), content.getvalue())
