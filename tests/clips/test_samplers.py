from __future__ import annotations

import pytest

from refsam_zoo.clips.samplers import TrainingSampler, VideoSampler


def test_an_epoch_visits_every_item_once_and_epochs_differ() -> None:
    sampler = TrainingSampler(20, 20, seed=0)
    first = [draw.item for draw in sampler]
    assert sorted(first) == list(range(20))
    assert [draw.item for draw in sampler] == first
    sampler.set_epoch(1)
    assert [draw.item for draw in sampler] != first
    assert {draw.epoch for draw in sampler} == {1}


def test_a_longer_epoch_goes_round_again_with_another_order() -> None:
    items = [draw.item for draw in TrainingSampler(10, 25, seed=0)]
    assert len(items) == 25
    assert sorted(items[:10]) == sorted(items[10:20]) == list(range(10))
    assert items[:10] != items[10:20]


@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_processes_share_the_same_order(world: int) -> None:
    alone = list(TrainingSampler(10, 10, seed=3))
    shares = [list(TrainingSampler(10, 10, seed=3, rank=rank, world=world)) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    interleaved = [draw for step in zip(*shares, strict=True) for draw in step]
    assert interleaved[:10] == alone


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("windows", [[1], [3, 1, 2], [5, 5, 5, 1], [1] * 9])
def test_each_window_is_evaluated_once_with_whole_videos_and_equal_steps(windows: list[int], world: int) -> None:
    shares = [list(VideoSampler(windows, rank, world)) for rank in range(world)]
    assert len({len(share) for share in shares}) == 1
    counted = [[window.item for window in share if not window.repeated] for share in shares]
    assert sorted(item for share in counted for item in share) == list(range(sum(windows)))
    video_of = [video for video, count in enumerate(windows) for _ in range(count)]
    for share in counted:
        assert share == sorted(share)
        for other in counted:
            if other is not share:
                assert not {video_of[item] for item in share} & {video_of[item] for item in other}
    for share in shares:
        first_repeat = next((place for place, window in enumerate(share) if window.repeated), len(share))
        assert all(window.repeated for window in share[first_repeat:])
