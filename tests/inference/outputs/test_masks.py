from __future__ import annotations

from pathlib import Path

import numpy as np

from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.masks import masks
from refsam_zoo.video.masks import read_indexed


def test_masks_come_back(tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]) -> None:
    with masks(tmp_path, facts) as output:
        for frame in frames:
            output.add(frame)
    for frame in frames:
        for number, mask in enumerate(frame.found.masks, 1):
            path = tmp_path / "masks" / "cat" / str(number) / f"{frame.name}.png"
            np.testing.assert_array_equal(read_indexed(path, facts.size), mask)
