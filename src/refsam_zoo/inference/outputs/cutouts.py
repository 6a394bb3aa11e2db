"""What the sentences point at, on a transparent background."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from refsam_zoo.inference.outputs.base import OUTPUTS, Output, SegmentedFrame
from refsam_zoo.output_files import output_path, write_whole
from refsam_zoo.registry import ModelCard


@OUTPUTS.register(ModelCard("an RGBA PNG per sentence and frame, of the frame's size"))
class cutouts(Output):
    """Writes `cutouts/<video>/<number of the sentence>/<frame>.png`, nothing but 0 outside the mask; see `Output`."""

    file = "cutouts"

    def write(self, frame: SegmentedFrame) -> None:
        """See `Output.write`."""
        for number, mask in zip(self.facts.numbered, frame.found.masks, strict=True):
            picture = np.dstack([frame.found.frame, np.full(mask.shape, 255, np.uint8)]) * mask[..., None]
            content = io.BytesIO()
            Image.fromarray(picture).save(content, "PNG", compress_level=1)
            path = output_path(self.path, self.facts.name, number, frame.name, suffix=".png")
            write_whole(path, content.getvalue())
