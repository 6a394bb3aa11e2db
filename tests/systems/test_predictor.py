from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from systems.windows import make_batch

from refsam_zoo import create_model
from refsam_zoo.errors import InputError
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.systems.predictor import PRESENCE, Predictor

SENTENCES = ["the red square", "a small green circle moving to the left", "the star"]


@pytest.fixture(scope="module")
def model() -> RefSAM:
    torch.manual_seed(0)
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen")
    # Random track tokens are short; longer ones leave no doubt whether they are carried.
    for parameter in model.tracker.parameters():
        parameter.data *= 4
    return model


@pytest.fixture(scope="module")
def video() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 40, 60, 3)).astype(np.uint8)


def batches(video: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(video), size):
        yield video[start : start + size].copy()


@torch.no_grad()
def whole_clip_logits(model: RefSAM, video: np.ndarray) -> np.ndarray:
    logits = model(make_batch([video], [SENTENCES])).low_res_logits
    size = video.shape[1:3]
    return torch.stack([model.restore(step, size) for step in logits.unbind(1)], 1).numpy()


def differing(masks: np.ndarray | torch.Tensor, expected: np.ndarray) -> float:
    """Share of pixels; batches of other sizes may turn a few that lie on the threshold."""
    return float((np.asarray(masks) != expected).mean())


def streamed(predictor: Predictor, video: np.ndarray, size: int = 2) -> np.ndarray:
    return np.stack([found.masks for found in predictor.stream(batches(video, size), SENTENCES)], 1)


def test_stream_gives_what_the_whole_clip_gives(model: RefSAM, video: np.ndarray) -> None:
    logits = whole_clip_logits(model, video)
    # Between the logits of random weights, so that both classes are there and a lost track token shows.
    threshold = float(np.median(logits))
    predictor = Predictor(model, threshold)
    clear = np.abs(logits - threshold) > 1e-4

    masks = streamed(predictor, video)

    assert masks.dtype == bool
    assert masks.shape == (3, 6, 40, 60)
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(masks[clear], (logits > threshold)[clear])
    each_alone = np.concatenate([streamed(predictor, video[step : step + 1]) for step in range(6)], 1)
    np.testing.assert_array_equal(each_alone[:, 0][clear[:, 0]], masks[:, 0][clear[:, 0]])
    assert (each_alone[:, 1:] != masks[:, 1:])[clear[:, 1:]].any(), "the track token was not carried"


def test_each_frame_is_encoded_once_for_all_expressions(model: RefSAM, video: np.ndarray) -> None:
    images, sentences = [], []
    handles = [
        model.image_encoder.register_forward_hook(lambda _, inputs, __: images.append(len(inputs[0]))),
        model.text_encoder.register_forward_hook(lambda _, inputs, __: sentences.append(len(inputs[0].ids))),
    ]
    streamed(Predictor(model), video, size=4)
    for handle in handles:
        handle.remove()
    assert images == [4, 2]
    assert sentences == [3]


def test_memory_does_not_depend_on_the_length(model: RefSAM) -> None:
    frame = np.zeros((1, 16, 24, 3), np.uint8)
    read: list[weakref.ref[np.ndarray]] = []

    def endless() -> Iterator[np.ndarray]:
        while True:
            batch = frame.copy()
            read.append(weakref.ref(batch))
            yield batch

    stream = Predictor(model).stream(endless(), SENTENCES)
    for number in range(1, 9):
        next(stream)
        assert len(read) == number, "frames are read one batch at a time"
        assert sum(batch() is not None for batch in read) <= 2, "batches that were shown are freed"


def test_expressions_decoded_in_parts_give_the_same(model: RefSAM, video: np.ndarray) -> None:
    together = streamed(Predictor(model), video)
    in_parts = streamed(Predictor(model, expressions_at_once=2), video)
    assert differing(together, in_parts) < 1e-3


def test_windows_with_carried_state_give_what_the_stream_gives(model: RefSAM, video: np.ndarray) -> None:
    threshold = float(np.median(whole_clip_logits(model, video)))
    predictor = Predictor(model, threshold, frames_at_once=2)
    expected = streamed(predictor, video)

    head, state = predictor.window(make_batch([video[:3]], [SENTENCES]))
    tail, _ = predictor.window(make_batch([video[3:]], [SENTENCES], first=False), state)
    restarted, _ = predictor.window(make_batch([video[3:]], [SENTENCES]), state)

    assert differing(np.concatenate([head.masks, tail.masks], 1), expected) < 1e-3
    assert differing(restarted.masks, expected[:, 3:]) > 1e-2, "a first window starts without a track token"


def test_window_of_videos_of_different_sizes(model: RefSAM, video: np.ndarray) -> None:
    other = video[:, :30, :50]
    predictor = Predictor(model, float(np.median(whole_clip_logits(model, video))))

    (masks, _), state = predictor.window(make_batch([video, other], [SENTENCES, SENTENCES[:1]]))

    assert masks.shape == (4, 6, 40, 60)
    assert differing(masks[:3], streamed(predictor, video, size=4)) < 1e-3
    alone = np.stack([found.masks for found in predictor.stream(batches(other, 4), SENTENCES[:1])], 1)
    assert differing(masks[3:, :, :30, :50], alone) < 1e-3
    assert not masks[3, :, 30:].any(), "padding is never part of a mask"
    assert not masks[3, :, :, 50:].any(), "padding is never part of a mask"
    assert list(state) == ["video0", "video1"]


def test_later_window_without_the_one_before_is_refused(model: RefSAM, video: np.ndarray) -> None:
    batch = make_batch([video], [SENTENCES], first=False)
    with pytest.raises(ValueError, match="video0"):
        Predictor(model).window(batch)
    batch.clips[0].repeated = True
    (masks, _), _ = Predictor(model).window(batch)
    assert masks.shape == (3, 6, 40, 60)


def test_empty_sentence_is_an_input_error(model: RefSAM, video: np.ndarray) -> None:
    with pytest.raises(InputError):
        next(Predictor(model).stream(batches(video, 2), ["the star", " "]))


def test_a_decoder_that_tells_presence_gives_the_score(video: np.ndarray) -> None:
    torch.manual_seed(0)
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen", mask_decoder="existence_decoder")
    decoder = model.mask_decoder
    torch.nn.init.normal_(decoder.existence.weight, std=0.1)
    torch.nn.init.zeros_(decoder.existence.bias)
    told: list[torch.Tensor] = []
    decoder.existence.register_forward_hook(lambda *call: told.append(call[2].flatten().sigmoid()))
    predictor = Predictor(model)
    found = list(predictor.stream(batches(video, 2), SENTENCES))
    assert predictor.score_meaning == PRESENCE
    scores = np.stack([frame.scores for frame in found])
    np.testing.assert_allclose(scores, torch.stack(told).detach(), atol=1e-6)
    assert (scores < 0.5).any()
    assert all(frame.absent[frame.scores < 0.5].all() for frame in found)
