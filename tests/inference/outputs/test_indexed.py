from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.inference.legend import colour
from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.indexed import indexed
from refsam_zoo.systems.base import FrameMasks
from refsam_zoo.video.masks import read_indexed


def write(folder: Path, facts: VideoFacts, masks: np.ndarray, scores: list[float]) -> Path:
    found = FrameMasks(np.zeros((*facts.size, 3), np.uint8), masks, np.array(scores, np.float32))
    with indexed(folder, facts) as output:
        output.add(SegmentedFrame(0, "00000", Fraction(0), found))
    return folder / "indexed" / "cat" / "00000.png"


@pytest.mark.parametrize(
    ("scores", "expected"), [([0.5, 0.9, 0.1], [2, 2, 1, 3, 0]), ([0.5, 0.5, 0.5], [1, 2, 1, 3, 0])]
)
def test_a_pixel_belongs_to_the_surest(
    tmp_path: Path, facts: VideoFacts, scores: list[float], expected: list[int]
) -> None:
    masks = np.zeros((3, *facts.size), bool)
    masks[0, 0, [0, 2]] = masks[1, 0, [0, 1]] = masks[2, 0, [0, 1, 2, 3]] = True
    path = write(tmp_path, facts, masks, scores)
    assert read_indexed(path, facts.size)[0, :5].tolist() == expected
    with Image.open(path) as image:
        assert image.convert("RGB").getpixel((3, 0)) == colour(2)
        assert image.convert("RGB").getpixel((4, 0)) == (0, 0, 0)


def test_more_sentences_than_there_are_numbers(tmp_path: Path, facts: VideoFacts) -> None:
    with pytest.raises(InputError, match="has numbers for 255 sentences, not 256"):
        indexed(tmp_path, replace(facts, expressions=("it",) * 256))
    masks = np.zeros((255, *facts.size), bool)
    masks[254] = True
    path = write(tmp_path, replace(facts, expressions=("it",) * 255), masks, [1] * 255)
    assert (read_indexed(path, facts.size) == 255).all()
