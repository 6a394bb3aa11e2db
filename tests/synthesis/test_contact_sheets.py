from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.synthesis import SynthesisOptions, contact_sheet, synthesize

FEW = SynthesisOptions(
    train_videos=0,
    val_videos=0,
    test_videos=3,
    motion_videos=0,
    relation_videos=0,
    occlusion_videos=0,
    unseen_videos=0,
    mp4="none",
)


def test_a_sheet_has_a_row_for_each_video(tmp_path: Path) -> None:
    synthesize(tmp_path / "shapes", FEW)
    contact_sheet(tmp_path / "shapes", "test", tmp_path / "sheet.png", videos=2, columns=3)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert sheet.shape == (2 * 300 + 8, 3 * 264 + 8, 3)
    frame = np.asarray(Image.open(tmp_path / "shapes" / "test" / "JPEGImages" / "test_00000" / "00006.jpg"))
    tile = sheet[8:264, 8:264]
    assert 0 < (tile != frame).any(axis=-1).mean() < 0.2  # the frame with something drawn on it
    assert (sheet[264:300, 8:264] < 128).any()  # a caption
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shapes", "sheet.png"]


def test_an_unknown_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="vall"):
        contact_sheet(tmp_path, "vall", tmp_path / "sheet.png")
