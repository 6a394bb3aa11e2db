from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from refsam_zoo.model.candidates import NO_OBJECT, Candidates, centroids
from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.mask_decoders.base import Decoded
from refsam_zoo.model.trackers.candidate_tracks import candidate_tracks
from refsam_zoo.zoo import create_model

WIDTH, SIDE = 16, 48


def square(row: int, column: int) -> Tensor:
    mask = torch.full((SIDE, SIDE), -9.0)
    mask[row : row + 8, column : column + 8] = 9.0
    return mask


def frame(*masks: Tensor) -> EncodedFrames:
    """One frame in which these masks were found, each of another look."""
    logits, count = torch.stack(masks)[None], len(masks)
    looks = torch.eye(2 * WIDTH)[None, :count]
    boxes = centroids(logits > 0)[0]
    cells = torch.zeros(1, count, dtype=torch.long)
    seen = Candidates(torch.zeros(1, 12, 12), cells, logits, looks, boxes, torch.ones(1, count, dtype=torch.bool))
    return EncodedFrames(torch.ones(1, WIDTH, 12, 12), [], [], seen=seen)


def decoded(mask: Tensor) -> Decoded:
    return Decoded(mask[None], torch.ones(1), torch.zeros(1, 1, WIDTH), certain=True)


def language(sentences: int = 1) -> Language:
    words = torch.randn(sentences, 3, WIDTH, generator=torch.Generator().manual_seed(0))
    return Language(words, words[:, 0], torch.ones(sentences, 3, dtype=torch.bool))


def test_the_mask_is_that_of_what_is_chosen() -> None:
    torch.manual_seed(0)
    tracker, seen = candidate_tracks(width=WIDTH), frame(square(4, 4), square(30, 30))
    chosen = tracker.choose(seen, language(), None)
    scores = chosen.choice.logits[0]
    assert (scores > NO_OBJECT / 2).tolist() == [True, True, *[False] * 8]
    assert chosen.object_score.item() == scores.max()
    best = scores.max()
    meant = [mask for mask, score in zip(seen.seen.logits[0], scores, strict=False) if score > max(0, best - 1)]
    expected = torch.stack([torch.full((SIDE, SIDE), -20.0), *meant]).amax(0)
    torch.testing.assert_close(chosen.low_res_logits[0], expected)


@pytest.mark.parametrize("shown", [0, 1])
def test_what_is_shown_counts_from_then_on_whatever_the_sentence_says(shown: int) -> None:
    tracker, first, later = (
        candidate_tracks(width=WIDTH),
        (square(4, 4), square(30, 30)),
        (square(8, 4), square(26, 30)),
    )
    track = tracker.remember(decoded(first[shown]), None, frame(*first))
    for sentence in (language(), None):
        chosen = tracker.choose(frame(*later), sentence, track)
        assert torch.equal(chosen.low_res_logits[0] > 0, later[shown] > 0)
        assert chosen.object_score > 9


def test_what_nothing_found_is_followed_where_it_is_found_later() -> None:
    tracker = candidate_tracks(width=WIDTH)
    track = tracker.remember(decoded(square(4, 30)), None, frame(square(30, 4)))
    assert track.there.sum() == 2
    chosen = tracker.choose(frame(square(30, 4)), None, track)
    assert (chosen.low_res_logits < 0).all()
    assert chosen.object_score > 9


def test_a_mask_that_is_not_certain_shows_nothing() -> None:
    tracker, seen = candidate_tracks(width=WIDTH), frame(square(4, 4))
    track = tracker.remember(decoded(square(4, 4))._replace(certain=False), None, seen)
    assert track.pinned.tolist() == [-1]


def test_choosing_alone_leaves_what_finds_as_it_is() -> None:
    parts = {"text_encoder": "clip_tiny", "tuner": "frozen", "sparse_prompt": "no_words", "dense_prompt": "no_dense"}
    model = create_model("refsam_vit_tiny", tracker=candidate_tracks(learn_finding=False), **parts)
    trained = {name for name, part in model.named_parameters() if part.requires_grad}
    assert {name.split(".")[0] for name in trained} == {"cross_modal", "tracker"}
    assert {".".join(name.split(".")[1:3]) for name in trained if name.startswith("tracker.finder")} == {"finder.look"}
    assert any(name.startswith("tracker.chooser") for name in trained)


def test_it_is_saved_with_its_options(tmp_path: Path) -> None:
    from refsam_zoo.checkpoints.restoring import load_model

    model = create_model(
        "refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen", tracker=candidate_tracks(objects=5, memory=7)
    )
    model.save_pretrained(tmp_path / "model")
    again = load_model(tmp_path / "model").tracker
    assert isinstance(again, candidate_tracks)
    assert (again.objects, again.memory, again.candidates) == (5, 7, 8)
    torch.testing.assert_close(again.state_dict(), model.tracker.state_dict())
