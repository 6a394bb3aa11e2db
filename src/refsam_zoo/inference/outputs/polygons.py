"""Outlines of the masks as JSON."""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.inference.growing_json import GrowingJson
from refsam_zoo.inference.outlines import trace
from refsam_zoo.inference.outputs.base import OUTPUTS, Output, SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.tracks import heading, seconds
from refsam_zoo.registry import ModelCard


@OUTPUTS.register(ModelCard("JSON: outlines and holes, exact to the pixel"))
class polygons(Output):
    """Writes `polygons.json`, a line per frame; each object is parts as `outlines.trace` gives them. See `Output`."""

    file = "polygons.json"

    def __init__(self, folder: Path, facts: VideoFacts, kept: int | None = None) -> None:
        super().__init__(folder, facts)
        self._json = GrowingJson(self.path, heading(facts), "frames", go_on=kept is not None)
        self.frames = self._json.entries

    def write(self, frame: SegmentedFrame) -> None:
        """See `Output.write`."""
        objects = [
            {"expression": number, "polygons": trace(mask)}
            for number, mask in zip(self.facts.numbered, frame.found.masks, strict=True)
        ]
        self._json.append({"frame": frame.name, "time": seconds(frame.time), "objects": objects})
