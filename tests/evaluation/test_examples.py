from __future__ import annotations

import numpy as np

from refsam_zoo.evaluation.examples import Example, ExampleKeeper
from refsam_zoo.evaluation.results import sample_id


def _example(video: int, overlap: int, frame_name: str = "00000") -> Example:
    """A 20 x 20 square found but for `20 - overlap` columns."""
    mask = np.zeros((600, 700), bool)
    mask[300:320, 300:320] = True
    prediction = np.roll(mask, 20 - overlap, axis=1)
    frame = np.zeros((600, 700, 3), np.uint8)
    return Example.of(sample_id(str(video), "0"), str(video), frame_name, "a square", frame, prediction, mask)


def test_examples_are_small_and_scored_at_full_size() -> None:
    example = _example(0, 20)
    assert example.frame.shape == (274, 320, 3)
    assert example.prediction.shape == example.mask.shape == (274, 320)
    assert example.jf == 1
    assert 0 < _example(0, 10).jf < 1


def test_the_choice_does_not_depend_on_order_and_memory_is_bounded() -> None:
    examples = [_example(video, video % 21, f"{video:05d}") for video in range(300)]
    chosen = []
    for order in (examples, examples[::-1], examples[150:] + examples[:150]):
        keeper = ExampleKeeper()
        for example in order:
            keeper.add([example])
            assert len(keeper.examples) <= 240
        chosen.append([(name, [example.video_id for example in part]) for name, part in keeper.worst_median_best(3)])
    assert chosen[0] == chosen[1] == chosen[2]
    scores = [[example.jf for example in part] for _, part in keeper.worst_median_best(3)]
    assert scores[0] == [min(example.jf for example in examples)] * 3
    assert scores[2] == [1.0] * 3
    assert 0.2 < scores[1][0] < 0.8


def test_different_videos_come_first() -> None:
    keeper = ExampleKeeper()
    keeper.add(_example(video, 20 - video, name) for name in ("a", "b") for video in (0, 1))
    (_, worst), _, (_, best) = keeper.worst_median_best(3)
    assert [example.video_id for example in worst] == ["1", "0", "1"]
    assert [example.video_id for example in best] == ["0", "1", "0"]


def test_nothing_to_see_is_no_example() -> None:
    empty = np.zeros((8, 8), bool)
    keeper = ExampleKeeper()
    keeper.add([Example.of(1, "v", "0", "absent", np.zeros((8, 8, 3), np.uint8), empty, empty)])
    assert keeper.worst_median_best(3) == []
