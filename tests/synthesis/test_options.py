from __future__ import annotations

from typing import Any

import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.synthesis import SynthesisOptions


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", -1),
        ("unseen_videos", -1),
        ("train_expressions", 0),
        ("image_size", 255),
        ("image_size", 32),
        ("frames", 5),
        ("objects_min", 1),
        ("objects_min", 7),
        ("objects_max", 9),
        ("pan_probability", 1.5),
        ("noise", float("nan")),
        ("jpeg_quality_min", 96),
        ("jpeg_quality_max", 101),
        ("mp4", "some"),
        ("fps", 0),
    ],
)
def test_an_impossible_value_is_named_with_what_would_be_right(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^{name}: {value} is impossible; it must be "):
        SynthesisOptions(**{name: value})


def test_which_splits_get_video_files() -> None:
    assert not SynthesisOptions().writes_mp4("train")
    assert SynthesisOptions().writes_mp4("relation")
    assert SynthesisOptions(mp4="all").writes_mp4("train")
    assert not SynthesisOptions(mp4="none").writes_mp4("test")
