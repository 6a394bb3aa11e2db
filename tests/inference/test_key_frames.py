from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from refsam_zoo.inference.key_frames import KeyFrame, KeyFrames

PICTURE = np.zeros((2, 3, 3), np.uint8)


def show(key_frames: KeyFrames, merits: list[int]) -> None:
    for merit in merits:
        if key_frames.wants((1, merit)):
            key_frames.take(KeyFrame((1, merit), float(key_frames.frames), PICTURE + key_frames.frames % 256))
        else:
            key_frames.skip()


@pytest.mark.parametrize("count", [1, 2, 4, 5, 7, 8, 9, 16, 17, 63, 64, 100, 1000])
def test_key_frames_of_equal_merit_are_spread(count: int) -> None:
    key_frames = KeyFrames()
    show(key_frames, [1] * count)
    times = [frame.time for frame in key_frames.best()]
    assert len(times) == min(count, 4)
    assert times[0] == 0
    if count >= 4:
        assert max(np.diff([*times, count])) <= max(2, count / 2)
    assert len(key_frames._parts) <= 8


@pytest.mark.parametrize("place", [0, 1, 37, 98, 99])
def test_the_best_frame_is_among_them(place: int) -> None:
    key_frames = KeyFrames()
    show(key_frames, [int(number == place) for number in range(100)])
    assert place in [frame.time for frame in key_frames.best()]


@pytest.mark.parametrize("count", [0, 1, 8, 21])
def test_saved_and_loaded(tmp_path: Path, count: int) -> None:
    merits = np.random.default_rng(0).integers(0, 100, 60).tolist()
    whole, first = KeyFrames(), KeyFrames()
    show(whole, merits)
    show(first, merits[:count])
    first.save(tmp_path / "kept.npz")
    second = KeyFrames.load(tmp_path / "kept.npz")
    assert second.frames == count
    show(second, merits[count:])
    for one, other in zip(whole.best(), second.best(), strict=True):
        assert (one.merit, one.time) == (other.merit, other.time)
        np.testing.assert_array_equal(one.picture, other.picture)


@pytest.mark.parametrize("content", [None, b"", b"damaged", b"PK\x03\x04"])
def test_what_cannot_be_read_is_nothing(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "kept.npz").write_bytes(content)
    assert KeyFrames.load(tmp_path / "kept.npz").frames == 0
