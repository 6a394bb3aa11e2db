from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from refsam_zoo.clips.clips import read_clip
from refsam_zoo.data_modules.recognition import recognise
from refsam_zoo.data_modules.referring_folder import ReferringFolder, parse_referring_folder
from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.coco import coco
from refsam_zoo.inference.outputs.labels import labels


def test_the_json_of_coco_is_read_beside_the_frames(
    tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]
) -> None:
    with labels(tmp_path, facts) as pictures, coco(tmp_path, facts) as output:
        for frame in frames:
            pictures.add(frame)
            output.add(frame)
    (tmp_path / "coco.json").rename(tmp_path / "labels" / "frames" / "annotations.json")
    referrals = parse_referring_folder(tmp_path / "labels" / "frames")
    assert tuple(referral.expression for referral in referrals) == facts.expressions
    masks = read_clip(referrals, range(len(frames))).masks
    np.testing.assert_array_equal(masks, np.stack([frame.found.masks for frame in frames], axis=1))


def test_it_is_corrected_and_read_as_a_data_set(
    tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]
) -> None:
    with labels(tmp_path, facts) as output:
        for frame in frames:
            output.add(frame)
    wanted = np.stack([frame.found.masks for frame in frames], axis=1)
    wanted[0, 2, :5] = True
    corrected = Image.fromarray(wanted[0, 2].astype(np.uint8) * 255)
    corrected.save(tmp_path / "labels" / "masks" / "cat" / "1" / f"{frames[2].name}.png")
    assert recognise(tmp_path / "labels").data_module is ReferringFolder
    referrals = parse_referring_folder(tmp_path / "labels")
    assert tuple(referral.expression for referral in referrals) == facts.expressions
    clip = read_clip(referrals, range(len(frames)))
    assert clip.frame_names == tuple(frame.name for frame in frames)
    np.testing.assert_array_equal(clip.masks, wanted)
    np.testing.assert_allclose(clip.frames, np.stack([frame.found.frame for frame in frames]), atol=60)
