from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.systems.base import FrameMasks


@pytest.fixture
def facts() -> VideoFacts:
    return VideoFacts("cat", (24, 40), ("the red square", "the étoile", "nobody"), "sureness", fps=12)


@pytest.fixture
def frames(facts: VideoFacts) -> list[SegmentedFrame]:
    """Ten frames of coarse random masks; the first sentence is absent in frame 3, the last one always."""
    random = np.random.default_rng(0)
    found = []
    for position in range(10):
        masks = (random.random((3, 6, 10)) > 0.6).repeat(4, 1).repeat(4, 2)
        masks[2] = False
        masks[0] &= position != 3
        picture = random.integers(0, 256, (3, 5, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
        scores = np.array([0.75, 0.5, 0.125], np.float32)
        name, time = f"{5 * position:05d}", Fraction(position, 12)
        found.append(SegmentedFrame(position, name, time, FrameMasks(picture, masks, scores)))
    return found
