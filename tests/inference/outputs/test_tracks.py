from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.tracks import measure, tracks


def test_a_line_per_frame(tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]) -> None:
    with tracks(tmp_path, facts) as output:
        for frame in frames:
            output.add(frame)
    content = json.loads((tmp_path / "tracks.json").read_text(encoding="utf-8"))
    assert content["score_meaning"] == "sureness"
    assert (content["height"], content["width"]) == (24, 40)
    assert [one["present"] for one in content["frames"][3]["objects"]] == [False, True, False]
    for frame, written in zip(frames, content["frames"], strict=True):
        assert [one["score"] for one in written["objects"]] == [0.75, 0.5, 0.125]
        assert [one["area"] for one in written["objects"]] == frame.found.masks.sum((1, 2)).tolist()


def test_measures() -> None:
    mask = np.zeros((10, 20), bool)
    assert measure(mask) == {"present": False, "area": 0, "box": None, "centroid": None}
    mask[2:5, 7:13] = True
    assert measure(mask) == {"present": True, "area": 18, "box": [7, 2, 6, 3], "centroid": [10.0, 3.5]}
    mask[9, 19] = True
    assert measure(mask)["box"] == [7, 2, 13, 8]
    assert measure(mask)["centroid"] == pytest.approx([(18 * 10 + 19.5) / 19, (18 * 3.5 + 9.5) / 19], abs=0.005)
