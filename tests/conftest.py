"""A tiny RefShapes for every test that needs a data set."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from refsam_zoo.synthesis import SynthesisOptions, synthesize

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("many", deadline=None, max_examples=8000, database=None)
settings.load_profile("repeatable")  # --hypothesis-profile=many searches for longer

TINY = SynthesisOptions(
    train_videos=6,
    val_videos=3,
    test_videos=3,
    motion_videos=1,
    relation_videos=0,
    occlusion_videos=0,
    unseen_videos=0,
    image_size=64,
    frames=6,
    mp4="tests",
)


@pytest.fixture(scope="session")
def ref_shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "ref_shapes"
    synthesize(root, TINY)
    return root
