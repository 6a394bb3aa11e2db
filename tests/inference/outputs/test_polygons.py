from __future__ import annotations

import json
from pathlib import Path

from refsam_zoo.inference.outlines import trace
from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.polygons import polygons


def test_outlines_of_each_sentence_and_frame(tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]) -> None:
    with polygons(tmp_path, facts) as output:
        for frame in frames:
            output.add(frame)
    content = json.loads((tmp_path / "polygons.json").read_text(encoding="utf-8"))
    assert content["video"] == "cat"
    assert content["expressions"] == {"1": "the red square", "2": "the étoile", "3": "nobody"}
    for frame, written in zip(frames, content["frames"], strict=True):
        assert written["frame"] == frame.name
        assert written["time"] == round(float(frame.time), 6)
        for number, (mask, one) in enumerate(zip(frame.found.masks, written["objects"], strict=True), 1):
            assert one == {"expression": str(number), "polygons": trace(mask)}
