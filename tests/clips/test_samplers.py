from __future__ import annotations

from math import ceil

import numpy as np
import pytest

from refsam_zoo.clips.samplers import TrainingSampler, VideoSampler, Window, rounds


def test_an_epoch_visits_every_item_once_and_epochs_differ() -> None:
    sampler = TrainingSampler(20, 20, seed=0)
    first = [draw.item for draw in sampler]
    assert sorted(first) == list(range(20))
    assert [draw.item for draw in sampler] == first
    sampler.set_epoch(1)
    assert [draw.item for draw in sampler] != first
    assert {draw.epoch for draw in sampler} == {1}


def test_epochs_repeat_for_overfitting() -> None:
    sampler = TrainingSampler(20, 20, seed=0, repeats=True)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) == first


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


@pytest.mark.parametrize("world", [1, 2, 3, 4, 12])
def test_an_epoch_has_no_more_steps_than_it_takes(world: int) -> None:
    for rank in range(world):
        sampler = TrainingSampler(10, 10, seed=3, rank=rank, world=world)
        assert len(list(sampler)) == len(sampler) == ceil(10 / world)


def test_no_more_permutations_are_drawn_than_needed() -> None:
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    drawn = np.concatenate([other.permutation(10) for _ in range(3)])
    np.testing.assert_array_equal(rounds(10, 25, rng), drawn[:25])
    assert rng.random() == other.random()


@pytest.mark.parametrize("length", [0, 7])
def test_items_are_integers_even_where_there_are_none(length: int) -> None:
    assert rounds(3, length, np.random.default_rng(0)).dtype == np.int64


@pytest.mark.parametrize(
    ("windows", "world", "steps"),
    [
        ([1, 1, 1, 1, 4], 2, 4),
        ([4, 1, 1, 1, 1], 2, 4),
        ([2, 2, 2], 3, 2),
        ([3, 3, 1, 1], 2, 4),
        ([3, 3, 2, 2, 2], 2, 7),
    ],
)
def test_no_process_has_much_more_to_do_than_the_others(windows: list[int], world: int, steps: int) -> None:
    """Longest videos first, each to the process that has least: at most a third more steps than the best division."""
    assert [len(VideoSampler(windows, rank, world)) for rank in range(world)] == [steps] * world


def test_one_process_reads_everything_in_order() -> None:
    assert list(VideoSampler([2, 3])) == [Window(item, repeated=False) for item in range(5)]


def test_a_process_that_is_done_repeats_its_own_last_window_or_the_first_of_all() -> None:
    last = [list(VideoSampler([3, 1], rank, 3))[-1] for rank in range(3)]
    assert last == [Window(2, repeated=False), Window(3, repeated=True), Window(0, repeated=True)]
    assert list(VideoSampler([1], 1, 2)) == [Window(0, repeated=True)]
    assert list(VideoSampler([3, 2], 1, 2))[1:] == [Window(4, repeated=False), Window(4, repeated=True)]
