"""Where each sentence's target is in each frame, in numbers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from refsam_zoo.inference.growing_json import GrowingJson
from refsam_zoo.inference.outputs.base import OUTPUTS, Output, SegmentedFrame, VideoFacts
from refsam_zoo.registry import ModelCard


@OUTPUTS.register(ModelCard("JSON: area, box, centroid, score, present or absent"))
class tracks(Output):
    """Writes `tracks.json`, a line per frame; see `Output`."""

    file = "tracks.json"

    def __init__(self, folder: Path, facts: VideoFacts, kept: int | None = None) -> None:
        super().__init__(folder, facts)
        head = heading(facts) | {"score_meaning": facts.score_meaning}
        self._json = GrowingJson(self.path, head, "frames", go_on=kept is not None)
        self.frames = self._json.entries

    def write(self, frame: SegmentedFrame) -> None:
        """See `Output.write`."""
        found = zip(self.facts.numbered, frame.found.masks, frame.found.scores, strict=True)
        objects = [
            {"expression": number, "score": round(float(score), 4)} | measure(mask) for number, mask, score in found
        ]
        self._json.append({"frame": frame.name, "time": seconds(frame.time), "objects": objects})


def heading(facts: VideoFacts) -> dict[str, Any]:
    """What a JSON file says of the video."""
    height, width = facts.size
    return {"video": facts.name, "height": height, "width": width, "expressions": facts.numbered}


def seconds(time: Fraction) -> float:
    """A time in seconds, to a microsecond."""
    return round(float(time), 6)


def measure(mask: np.ndarray) -> dict[str, Any]:
    """Measures a mask, bool `[H, W]`, in pixels.

    Returns:
        Whether there is one, its area, the left and upper edge, width and height of its box, and the x and y of its
        centroid, where 0 is the left or upper edge of the frame; box and centroid are None where there is none.
    """
    columns, rows = mask.sum(0), mask.sum(1)
    area = int(rows.sum())
    if not area:
        return {"present": False, "area": 0, "box": None, "centroid": None}
    (left, right), (top, bottom) = (np.flatnonzero(part)[[0, -1]].tolist() for part in (columns, rows))
    centre = [round(float(part @ (np.arange(len(part)) + 0.5)) / area, 2) for part in (columns, rows)]
    box = [left, top, right + 1 - left, bottom + 1 - top]
    return {"present": True, "area": area, "box": box, "centroid": centre}
