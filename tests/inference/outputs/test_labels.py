from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.cli import main
from refsam_zoo.clips.reading import read_clip
from refsam_zoo.data_modules.recognition import recognise
from refsam_zoo.data_modules.referring_folder import ReferringFolder, parse_referring_folder
from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.coco import coco
from refsam_zoo.inference.outputs.labels import labels

CONFIGS = Path(__file__).parents[3] / "configs"


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


def test_it_is_corrected_read_as_a_data_set_and_trained_on(
    tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame], caplog: pytest.LogCaptureFixture
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
    arguments = [
        "fit", *(f"--config={CONFIGS / name}" for name in ("demo.yaml", "data/referring_folder.yaml")),
        f"--data.root={tmp_path / 'labels'}", "--data.workers=0", "--data.clip_frames=2", "--trainer.fast_dev_run=1",
        "--trainer.accelerator=cpu", f"--trainer.default_root_dir={tmp_path / 'run'}",
    ]  # fmt: skip
    assert main(arguments) == 0
    assert "has one video: scores are of the video that is trained on" in caplog.text
    np.testing.assert_allclose(clip.frames, np.stack([frame.found.frame for frame in frames]), atol=60)
