from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from formats.catalogue import FORMATS

from refsam_zoo.clips.reading import read_clip
from refsam_zoo.data_modules.recognition import recognise
from refsam_zoo.types import Referral


@pytest.mark.parametrize("name", FORMATS)
def test_a_clip_may_be_changed_and_the_next_one_is_whole_again(
    name: str, shapes: list[Referral], tmp_path: Path
) -> None:
    video = [referral for referral in shapes if referral.video_id == shapes[0].video_id]
    (tmp_path / "data").mkdir()
    FORMATS[name][1](tmp_path / "data", video)
    found = [referral for parse in recognise(tmp_path / "data").splits.values() for referral in parse()]
    referral = next(referral for referral in found if referral.masks is not None)
    positions = [0, 0, len(referral.frames) - 1]
    first = read_clip([referral], positions)
    assert first.masks is not None
    frames, masks = first.frames.copy(), first.masks.copy()
    for array in (first.frames, first.masks):
        assert array.flags.c_contiguous
        array[:, :1] = 1 - array[:, :1]  # augmentation does such things
    second = read_clip([referral], positions)
    np.testing.assert_array_equal(second.frames, frames)
    np.testing.assert_array_equal(second.masks, masks)
