"""A correction teaches the sentence: later frames follow what was shown, also where only its words are read."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from refsam_zoo import Predictor, VideoSession, create_model
from refsam_zoo.inference.outputs.base import UNFINISHED
from refsam_zoo.inference.unfinished import Unfinished, UnfinishedFile
from refsam_zoo.model import word_fitting
from refsam_zoo.model.image_encoders.vit_tiny import vit_tiny
from refsam_zoo.model.text_encoders.clip_tiny import clip_tiny
from refsam_zoo.model.trackers import TRACKERS
from refsam_zoo.systems.token_track import KEPT, NAMELESS, TokenTrack

SIDE = 64
SENTENCES = ["the red box", "the box"]


def frame_of(time: int) -> tuple[np.ndarray, np.ndarray]:
    """A red box that moves over noise, and its mask."""
    frame, mask = np.random.default_rng(time).integers(80, 120, (SIDE, SIDE, 3), dtype=np.uint8), np.zeros((SIDE, SIDE))
    mask[10:40, 8 + 2 * time : 36 + 2 * time] = 1
    frame[mask > 0] = [230, 40, 40]
    return frame, mask > 0


def predictor(tracker: str = "track_mlp", dtype: torch.dtype = torch.float32) -> Predictor:
    torch.manual_seed(1)
    model = create_model(
        image_encoder=vit_tiny(image_size=SIDE),
        text_encoder=clip_tiny(layers=1),
        sparse_prompt="scaled_word_tokens",
        dense_prompt="gated_dense_attention",
        tracker=tracker,
    )
    return Predictor(model.eval().to(dtype))


def shown_at_first(system: Predictor, target: int | str = 0, **shown: Any) -> VideoSession:
    session = VideoSession(system, SENTENCES)
    if target == "it":
        session.add_object("it")
    session(frame_of(0)[0])
    session.correct(target, **(shown or {"mask": frame_of(0)[1]}))
    return session


def similarity(session: VideoSession, times: range, target: int = 0) -> float:
    found, truth = (
        np.stack(masks)
        for masks in zip(*((session(frame).masks[target], mask) for frame, mask in map(frame_of, times)), strict=True)
    )
    return float((found & truth).sum() / (found | truth).sum())


@pytest.mark.parametrize("tracker", [name for name in TRACKERS if not TRACKERS.get(name).shows_target])
def test_a_correction_holds_in_later_frames(tracker: str) -> None:
    system = predictor(tracker)
    taught = similarity(shown_at_first(system), range(1, 4))
    system.model.tracker.shows_target = True  # as if the track alone were enough
    assert taught > similarity(shown_at_first(system), range(1, 4)) + 0.1


def test_a_thing_without_a_sentence_learns_words() -> None:
    before = similarity(VideoSession(predictor(), NAMELESS), range(1, 4))
    assert similarity(shown_at_first(predictor(), "it", box=[8, 10, 36, 40]), range(1, 4), target=2) > before + 0.1


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that do not look at how well something is learned."""
    monkeypatch.setattr(word_fitting, "STEPS", 2)


@pytest.mark.usefixtures("few_steps")
def test_a_later_correction_keeps_the_earlier_ones_and_no_more_than_so_many() -> None:
    session = shown_at_first(predictor())
    first = session.tracks[0].language.words[0].clone()
    for time in range(1, KEPT + 2):
        session(frame_of(time)[0])
        for _ in range(2):
            session.correct(0, mask=frame_of(time)[1])
    (track,) = session.tracks
    assert {row: len(kept) for row, kept in track.shown.items()} == {0: KEPT}
    latest = [frame_of(time)[0] for time in range(2, KEPT + 2)]
    for frame, kept in zip(latest, track.shown[0], strict=True):
        np.testing.assert_array_equal(kept.image[0].permute(1, 2, 0), frame)
    assert (track.language.words[0] != first).any()


def test_nothing_is_learned_of_a_target_that_is_not_there() -> None:
    session = shown_at_first(predictor(), mask=np.zeros((SIDE, SIDE), bool))
    assert not session.tracks[0].shown
    torch.testing.assert_close(session.tracks[0].language, session.system.start(SENTENCES).language)


@pytest.mark.usefixtures("few_steps")
@pytest.mark.parametrize("caller", ["inference_mode", "no_grad", "gradients", "autocast", "bfloat16"])
def test_whoever_calls_weights_stay_as_they_are(caller: str) -> None:
    system = predictor(dtype=torch.bfloat16 if caller == "bfloat16" else torch.float32)
    before = [(weight.clone(), weight.requires_grad) for weight in system.model.parameters()]
    modes: dict[str, Any] = {
        "inference_mode": torch.inference_mode(),
        "no_grad": torch.no_grad(),
        "autocast": torch.autocast("cpu", torch.bfloat16),
    }
    with modes.get(caller, contextlib.nullcontext()):
        session, again = shown_at_first(system), shown_at_first(system)
        language = session.tracks[0].language
        torch.testing.assert_close(again.tracks[0].language, language, rtol=0, atol=0)
        start = system.start(SENTENCES).language
    assert (language.words[0] != start.words[0]).any()
    assert torch.equal(language.words[1], start.words[1])
    assert not language.words.requires_grad
    assert language.words.dtype == start.words.dtype
    for weight, (value, trained) in zip(system.model.parameters(), before, strict=True):
        assert torch.equal(weight, value)
        assert weight.requires_grad == trained
        assert weight.grad is None


@pytest.mark.usefixtures("few_steps")
def test_a_run_that_goes_on_knows_what_was_learned(tmp_path: Path) -> None:
    system = predictor()
    session, resumed = shown_at_first(system), VideoSession(system, SENTENCES)
    (tmp_path / UNFINISHED).mkdir()
    UnfinishedFile(tmp_path, system, {}).save(Unfinished({}, 1, session.tracks))
    unfinished = UnfinishedFile(tmp_path, system, {}).load(TokenTrack)
    assert unfinished is not None
    resumed.tracks = unfinished.tracks
    assert len(resumed.tracks[0].shown[0]) == 1
    for time in (1, 2):
        np.testing.assert_array_equal(resumed(frame_of(time)[0]).masks, session(frame_of(time)[0]).masks)
