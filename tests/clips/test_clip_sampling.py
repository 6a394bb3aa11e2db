from __future__ import annotations

import numpy as np
import pytest

from refsam_zoo.clips.clip_sampling import (
    ClipSampling,
    ConsecutiveSampling,
    NeighbourSampling,
    UniformSampling,
    WholeVideoSampling,
)

SAMPLINGS = [NeighbourSampling(), UniformSampling(), ConsecutiveSampling(), ConsecutiveSampling(stride=4)]


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("frames", [1, 2, 3, 5, 8])
def test_clips_are_ascending_valid_and_without_duplicates(sampling: ClipSampling, frames: int) -> None:
    rng = np.random.default_rng(0)
    for length in (1, 2, 3, 5, 9, 30):
        for anchor in range(length):
            positions = sampling.sample(anchor, length, frames, rng)
            assert len(positions) == frames
            assert positions == sorted(positions)
            assert 0 <= positions[0] <= positions[-1] < length
            assert len(set(positions)) == min(frames, length)


@pytest.mark.parametrize("sampling", [NeighbourSampling(), UniformSampling(), ConsecutiveSampling(stride=2)])
def test_the_anchor_is_in_the_clip(sampling: ClipSampling) -> None:
    rng = np.random.default_rng(0)
    for anchor in range(40):
        assert anchor in sampling.sample(anchor, 40, 3, rng)


def test_neighbours_are_drawn_as_in_the_paper() -> None:
    rng = np.random.default_rng(0)
    clips = {tuple(NeighbourSampling().sample(10, 30, 3, rng)) for _ in range(400)}
    assert clips == {(10 - before, 10, 10 + after) for before in (1, 2, 3) for after in (1, 2, 3)}


def test_a_border_is_filled_with_other_frames() -> None:
    rng = np.random.default_rng(0)
    fillers = {NeighbourSampling().sample(0, 30, 3, rng)[2] for _ in range(1000)}
    assert len(fillers) > 20


def test_more_frames_are_neighbours_and_random_others() -> None:
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        clip = NeighbourSampling().sample(10, 30, 5, rng)
        assert any(position in clip for position in (7, 8, 9))
        assert any(position in clip for position in (11, 12, 13))
        seen.update(clip)
    assert seen == set(range(30))


def test_uniform_clips_take_one_frame_of_every_part() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert [position // 10 for position in UniformSampling().sample(13, 40, 4, rng)] == [0, 1, 2, 3]


def test_consecutive_clips_keep_their_stride_and_shorten_it_in_short_videos() -> None:
    rng = np.random.default_rng(0)
    assert np.diff(ConsecutiveSampling(3).sample(0, 40, 4, rng)).tolist() == [3, 3, 3]
    assert np.diff(ConsecutiveSampling(30).sample(7, 10, 4, rng)).tolist() == [3, 3, 3]


def test_the_same_seed_gives_the_same_clip() -> None:
    for sampling in SAMPLINGS:
        clips = [sampling.sample(6, 50, 4, np.random.default_rng(3)) for _ in range(2)]
        assert clips[0] == clips[1]


def test_a_whole_video_is_every_frame_once() -> None:
    assert WholeVideoSampling().sample(3, 7, 2, np.random.default_rng(0)) == list(range(7))
