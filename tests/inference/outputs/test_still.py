from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.inference.legend import BACKGROUND, colour
from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.still import GAP, still
from refsam_zoo.systems.base import FrameMasks


def strip(folder: Path, facts: VideoFacts, count: int) -> np.ndarray:
    """Of frames that get brighter, where each second one shows more."""
    with still(folder, facts) as output:
        for number in range(count):
            masks = np.zeros((len(facts.expressions), *facts.size), bool)
            masks[0, : 1 + number % 2] = True
            frame = np.full((*facts.size, 3), 60 + 10 * number, np.uint8)
            found = FrameMasks(frame, masks, np.ones(len(masks), np.float32))
            output.add(SegmentedFrame(number, f"{number:05d}", Fraction(number), found))
    with Image.open(folder / "still.png") as image:
        return np.asarray(image.convert("RGB")).copy()


@pytest.mark.parametrize("size", [(120, 160), (480, 854), (2160, 3840), (1920, 1080), (1, 1), (17, 900), (900, 17)])
def test_sentences_are_legible_at_any_size(tmp_path: Path, facts: VideoFacts, size: tuple[int, int]) -> None:
    shown = strip(tmp_path, replace(facts, size=size), 6)
    assert 640 <= shown.shape[1] <= 4000
    markers = (shown == colour(1)).all(-1)  # the second sentence's, which shows nowhere else
    rows = np.flatnonzero(markers.any(1))
    letters = rows[-1] + 1 - rows[0]
    assert letters >= 16
    assert letters >= shown.shape[1] / 70, "also where the whole strip is fitted to a page"
    line = shown[rows[0] : rows[-1] + 1, np.flatnonzero(markers.any(0))[-1] + 1 :]
    assert line.max() > 200, "the words stand beside it"


def test_key_frames_are_spread_and_show_much(tmp_path: Path, facts: VideoFacts) -> None:
    shown = strip(tmp_path, facts, 16)
    width = (shown.shape[1] - 3 * GAP) // 4
    height = width * 24 // 40
    greys = [int(shown[height - 20, left + width // 2, 0]) for left in range(0, shown.shape[1], width + GAP)]
    numbers = [round((grey - 60) / 10) for grey in greys]
    assert len(numbers) == 4
    assert all(number % 2 for number in numbers), "the better half"
    assert all(4 * part <= number < 4 * part + 4 for part, number in enumerate(numbers))
    assert (shown[: height // 2, width : width + GAP] == BACKGROUND).all()


def test_a_single_frame(tmp_path: Path, facts: VideoFacts) -> None:
    shown = strip(tmp_path, replace(facts, size=(480, 640)), 1)
    assert shown.shape[1] == 640
