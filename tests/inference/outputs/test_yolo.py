from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import yaml

from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.yolo import yolo


def test_filling_the_outlines_gives_the_masks(tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]) -> None:
    with yolo(tmp_path, facts) as output:
        for frame in frames:
            output.add(frame)
    data = yaml.safe_load((tmp_path / "yolo" / "data.yaml").read_text(encoding="utf-8"))
    assert data["names"] == dict(enumerate(facts.expressions))
    height, width = facts.size
    for frame in frames:
        lines = (tmp_path / "yolo" / "labels" / "cat" / f"{frame.name}.txt").read_text().splitlines()
        drawn = np.zeros((3, *facts.size), bool)
        for line in lines:
            number, *values = line.split()
            corners = np.array(values, float).reshape(-1, 2)
            assert len(corners) >= 4
            assert corners.min() >= 0
            assert corners.max() <= 1
            # as large that the edge of a pixel, which OpenCV draws too, is thinner than a half
            canvas = np.zeros((8 * height, 8 * width), np.uint8)
            cv2.fillPoly(canvas, [np.rint(8 * corners * (width, height)).astype(np.int32)], 1)
            drawn[int(number)] |= canvas[4::8, 4::8] > 0
        for mask, filled in zip(frame.found.masks, drawn, strict=True):
            np.testing.assert_array_equal(filled, without_holes(mask))


def without_holes(mask: np.ndarray) -> np.ndarray:
    _, regions = cv2.connectedComponents(np.pad(~mask, 1, constant_values=True).astype(np.uint8), connectivity=4)
    return (regions != regions[0, 0])[1:-1, 1:-1]
