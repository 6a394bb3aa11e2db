from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_masks

from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.coco import coco


def test_pycocotools_reads_it(tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]) -> None:
    with coco(tmp_path, facts) as output:
        for frame in frames:
            output.add(frame)
    content = json.loads((tmp_path / "coco.json").read_text(encoding="utf-8"))
    (video,) = content["videos"]
    assert (video["width"], video["height"], video["length"]) == (40, 24, 10)
    assert video["file_names"] == [f"cat/{frame.name}.jpg" for frame in frames]
    assert content["categories"] == [{"id": number, "name": text} for number, text in enumerate(facts.expressions, 1)]
    for row, annotation in enumerate(content["annotations"]):
        assert annotation["id"] == annotation["category_id"] == row + 1
        assert (annotation["video_id"], annotation["iscrowd"]) == (1, 0)
        values = zip(frames, annotation["segmentations"], annotation["bboxes"], annotation["areas"], strict=True)
        for frame, runs, box, area in values:
            mask = frame.found.masks[row]
            if not mask.any():
                assert (runs, box, area) == (None, None, None)
                continue
            np.testing.assert_array_equal(coco_masks.decode(runs), mask)
            assert coco_masks.area(runs) == area
            assert coco_masks.toBbox(runs).tolist() == box
