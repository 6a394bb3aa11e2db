"""What every system promises, whatever it is made of."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from systems.builders import TINY
from systems.windows import make_batch

from refsam_zoo.errors import InputError
from refsam_zoo.systems import SYSTEMS, FrameMasks, VideoSegmenter
from refsam_zoo.systems.session import VideoSession

SENTENCES = ["the red square", "a small green circle moving to the left", "the star"]
MANY = 24
"""Frames after which no state may grow any more."""


def test_every_system_has_a_builder() -> None:
    assert set(SYSTEMS) == set(TINY), "a new system is added to TINY of tests/systems/builders.py"


@pytest.fixture(scope="module", params=TINY)
def name(request: pytest.FixtureRequest) -> str:
    given: str = request.param
    return given


@pytest.fixture(scope="module")
def options(name: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Those of the constructor, with files that are there."""
    return TINY[name].write(tmp_path_factory.mktemp(name))


@pytest.fixture(scope="module")
def system(name: str, options: dict[str, Any]) -> VideoSegmenter[Any]:
    return SYSTEMS.build(name, **options)


@pytest.fixture(scope="module")
def found(system: VideoSegmenter[Any]) -> list[FrameMasks]:
    """What it finds in the first video, frame by frame."""
    return run(system, make_video(1), size=1)


def make_video(seed: int, frames: int = 4, height: int = 40, width: int = 56) -> np.ndarray:
    """A bright box that moves over noise, uint8 `[T, H, W, 3]`."""
    video = np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    for time, frame in enumerate(video):
        frame[height // 4 : height // 2, 2 * time : 2 * time + width // 3] = (230, 60 * seed, 20)
    return video


def batches(video: np.ndarray, size: int) -> list[np.ndarray]:
    return [video[start : start + size] for start in range(0, len(video), size)]


def run(
    system: VideoSegmenter[Any], video: np.ndarray, sentences: str | Sequence[str] = SENTENCES, size: int = 2
) -> list[FrameMasks]:
    return list(system.stream(batches(video, size), sentences))


def masks_of(found: Sequence[FrameMasks]) -> np.ndarray:
    """Masks, bool `[N, T, H, W]`."""
    return np.stack([frame.masks for frame in found], 1)


def differing(masks: np.ndarray | torch.Tensor, expected: np.ndarray) -> float:
    """Share of pixels; batches of other sizes may turn a few that lie on the threshold."""
    return float((np.asarray(masks) != expected).mean())


def assert_same(found: Sequence[FrameMasks], expected: Sequence[FrameMasks]) -> None:
    assert differing(masks_of(found), masks_of(expected)) < 1e-3
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-3)


def test_a_new_one_is_ready_on_the_cpu(system: VideoSegmenter[Any]) -> None:
    assert system.device.type == "cpu"
    assert not any(module.training for module in system.model.modules())
    assert {part.dtype for part in system.model.parameters()} == {torch.float32}
    parts = {id(module) for module in system.model.modules()}
    assert system.compiled_parts
    assert all(id(part) in parts for part in system.compiled_parts)


def test_frames_come_in_order_with_a_mask_and_a_score_for_each_sentence(found: list[FrameMasks]) -> None:
    for frame, given in zip(found, make_video(1), strict=True):
        np.testing.assert_array_equal(frame.frame, given)
        assert frame.masks.shape == (len(SENTENCES), *given.shape[:2])
        assert frame.masks.dtype == bool
        assert frame.scores.shape == (len(SENTENCES),)
        assert frame.scores.dtype == np.float32
        assert (frame.scores >= 0).all()
        assert (frame.scores <= 1).all()
    assert 0 < masks_of(found).mean() < 1, "the tiny system tells nothing apart"


def test_frames_are_taken_when_they_are_asked_for(system: VideoSegmenter[Any]) -> None:
    taken = []
    stream = system.stream((taken.append(number) or frame for number, frame in enumerate(make_video(1))), SENTENCES[0])
    for number in range(2):
        next(stream)
        assert len(taken) == number + 1


@pytest.mark.parametrize("size", [3, 4])
def test_any_batching_gives_the_same(system: VideoSegmenter[Any], found: list[FrameMasks], size: int) -> None:
    assert_same(run(system, make_video(1), size=size), found)


def test_a_picture_is_a_video_of_one_frame(system: VideoSegmenter[Any], found: list[FrameMasks]) -> None:
    assert_same([system(make_video(1)[0], SENTENCES)], found[:1])


def test_a_sentence_added_in_mid_video_begins_there(system: VideoSegmenter[Any]) -> None:
    video = make_video(1)
    session = VideoSession(system, SENTENCES[:2])
    frames = [session(frame) for frame in video[:2]]
    session.add(SENTENCES[2])
    frames += session.stream(batches(video[2:], 2))
    expected, later = masks_of(run(system, video, SENTENCES[:2])), masks_of(run(system, video[2:], SENTENCES[2]))
    assert differing(np.stack([frame.masks[:2] for frame in frames], 1), expected) < 1e-3
    assert differing(np.stack([frame.masks[2:] for frame in frames[2:]], 1), later) < 1e-3


def test_videos_side_by_side_have_the_masks_they_have_alone(
    system: VideoSegmenter[Any], found: list[FrameMasks]
) -> None:
    short = make_video(2, 2, 30, 50)
    steps = list(system.stream_videos([make_video(1), short], [SENTENCES, SENTENCES[0]]))
    assert_same([first for first, _ in steps if first is not None], found)
    assert_same([second for _, second in steps if second is not None], run(system, short, SENTENCES[0]))
    assert [second is None for _, second in steps] == [False, False, True, True]


def test_windows_give_what_the_stream_gives(system: VideoSegmenter[Any], found: list[FrameMasks]) -> None:
    video, other = make_video(1), make_video(2, 4, 30, 50)
    expected = masks_of(run(system, other, SENTENCES[:1]))
    state, parts = None, []
    for start in (0, 2):
        pair = [video[start : start + 2], other[start : start + 2]]
        part, state = system.window(make_batch(pair, [SENTENCES, SENTENCES[:1]], first=start == 0), state)
        assert part.masks.dtype == torch.bool
        parts.append(part)
    masks, scores = (torch.cat(each, 1) for each in zip(*parts, strict=True))
    np.testing.assert_allclose(scores[:3], np.stack([frame.scores for frame in found], 1), atol=1e-3)
    assert differing(masks[:3], masks_of(found)) < 1e-3
    assert differing(masks[3:, :, :30, :50], expected) < 1e-3
    assert not masks[3, :, 30:].any()
    assert not masks[3, :, :, 50:].any()


def test_each_sentence_has_the_masks_it_has_alone(
    name: str, system: VideoSegmenter[Any], found: list[FrameMasks]
) -> None:
    if TINY[name].alone:
        for number, sentence in enumerate(SENTENCES[:2]):
            alone = run(system, make_video(1), sentence if number else [sentence])  # a single one need be no list
            assert differing(masks_of(alone)[0], masks_of(found)[number]) < 1e-3


def test_the_same_again(name: str, options: dict[str, Any], found: list[FrameMasks]) -> None:
    again = run(SYSTEMS.build(name, **options), make_video(1), size=1)
    np.testing.assert_array_equal(masks_of(again), masks_of(found))
    np.testing.assert_array_equal([frame.scores for frame in again], [frame.scores for frame in found])


def test_two_videos_at_once_do_not_touch(system: VideoSegmenter[Any], found: list[FrameMasks]) -> None:
    other = make_video(2, height=24, width=32)
    pairs = list(zip(system.stream(make_video(1), SENTENCES), system.stream(other, SENTENCES[:2]), strict=True))
    assert_same([pair[0] for pair in pairs], found)
    assert_same([pair[1] for pair in pairs], run(system, other, SENTENCES[:2], size=1))


@pytest.mark.parametrize("size", [(1, 1), (17, 23), (70, 9)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_frames_of_any_size(system: VideoSegmenter[Any], size: tuple[int, int]) -> None:
    video = np.random.default_rng(0).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    assert [frame.masks.shape for frame in run(system, video)] == [(len(SENTENCES), *size)] * 2


def test_one_frame_and_none(system: VideoSegmenter[Any], found: list[FrameMasks]) -> None:
    assert_same(run(system, make_video(1)[:1]), found[:1])
    assert run(system, make_video(1)[:0]) == []


def test_nothing_found_is_an_empty_mask_with_a_score(name: str, options: dict[str, Any]) -> None:
    for frame in run(SYSTEMS.build(name, **{**options, **TINY[name].nothing}), make_video(1, 2)):
        assert not frame.masks.any()
        assert frame.absent.tolist() == [True] * len(SENTENCES)
        assert ((frame.scores >= 0) & (frame.scores <= 1)).all()


@torch.inference_mode()
def test_what_is_kept_of_a_video_does_not_grow(system: VideoSegmenter[Any]) -> None:
    video = torch.from_numpy(make_video(1, 4, 24, 32)).permute(0, 3, 1, 2)
    track = system.start(SENTENCES[:1])

    def kept_after(frames: int) -> int:
        for _ in range(frames // len(video)):
            assert len(list(system.segment(video, track))) == len(video)
        own = {name: value for name, value in vars(system).items() if name != "model"}
        return len(pickle.dumps((track, {name: value for name, value in own.items() if _plain(value)})))

    # whole numbers may take a byte or two more; a number kept for each frame takes nine
    assert abs(kept_after(MANY) - kept_after(MANY // 2)) < 4 * MANY


def _plain(value: object) -> bool:
    return isinstance(value, (torch.Tensor, dict, list, tuple, int, float, str))


@pytest.mark.parametrize("sentences", [[], ["the star", " "], ""], ids=["none", "an empty one", "empty text"])
def test_empty_sentences_are_refused(system: VideoSegmenter[Any], sentences: list[str] | str) -> None:
    with pytest.raises(InputError, match="sentence"):
        next(system.stream(make_video(1), sentences))


SHOWN: dict[str, dict[str, Any]] = {
    "click": {"points": [[20, 16]]},
    "clicks": {"points": [[20, 16], [50, 5]], "labels": [1, 0]},
    "box": {"box": [12, 8, 34, 24]},
    "mask": {"mask": np.pad(np.ones((16, 22), bool), ((8, 16), (12, 22)))},
}


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown_counts_then_and_later(system: VideoSegmenter[Any], found: list[FrameMasks], shown: str) -> None:
    session, video = VideoSession(system, SENTENCES), make_video(1)
    frames = [session(frame) for frame in video[:2]]
    if not system.takes_corrections:
        with pytest.raises(InputError, match=rf"system {type(system).__name__} takes no points, boxes or masks"):
            session.correct(1, **SHOWN[shown])
        return
    corrected = session.correct(1, **SHOWN[shown])
    frames += session.stream([video[2:]])
    assert_same([*frames[:2]], found[:2])
    np.testing.assert_array_equal(corrected.masks[[0, 2]], frames[1].masks[[0, 2]])
    assert (corrected.masks[1] != frames[1].masks[1]).any()
    if shown == "mask":
        np.testing.assert_array_equal(corrected.masks[1], SHOWN["mask"]["mask"])
    assert differing(masks_of(frames)[[0, 2]], masks_of(found)[[0, 2]]) < 1e-3
    assert (masks_of(frames)[1, 2:] != masks_of(found)[1, 2:]).any(), "later frames do not follow"


def test_an_object_without_a_sentence(system: VideoSegmenter[Any], found: list[FrameMasks]) -> None:
    session, video = VideoSession(system, SENTENCES[:1]), make_video(1)
    if not system.takes_corrections:
        with pytest.raises(InputError, match="takes no points, boxes or masks"):
            session.add_object("the ball")
        return
    session.add_object("the ball")
    frames = [session(video[0]), session(video[1]), session.correct("the ball", **SHOWN["box"])]
    frames += session.stream([video[2:]])
    sentence, ball = masks_of([frames[0], *frames[2:]])
    assert differing(sentence, masks_of(found)[0]) < 1e-3
    assert not frames[1].masks[1].any()
    assert frames[1].scores[1] == 0
    assert ball[1:].any()
    alone = VideoSession(system)
    alone.add_object("the ball")
    assert not alone(video[1]).masks.any()
    again = [alone.correct(0, **SHOWN["box"]), *alone.stream(video[2:])]
    assert differing(masks_of(again)[0], ball[1:]) < 1e-3
