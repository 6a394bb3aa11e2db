"""A video whose sentences change while it runs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from refsam_zoo import InputError, Predictor, VideoSession, create_model
from refsam_zoo.model.image_encoders.vit_tiny import vit_tiny
from refsam_zoo.model.text_encoders.clip_tiny import clip_tiny


@pytest.fixture
def video() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 40, 60, 3), dtype=np.uint8)


def predictor(tracker: str = "track_mlp") -> Predictor:
    torch.manual_seed(0)
    model = create_model(image_encoder=vit_tiny(image_size=48), text_encoder=clip_tiny(layers=1), tracker=tracker)
    return Predictor(model)


@pytest.mark.parametrize("tracker", ["track_mlp", "frame_memory", "no_tracker"])
def test_each_frame_is_encoded_once_also_for_sentences_that_came_later(tracker: str, video: np.ndarray) -> None:
    system, encoded = predictor(tracker), []
    system.model.image_encoder.register_forward_hook(lambda _, inputs, __: encoded.append(len(inputs[0])))
    session = VideoSession(system, "the dog")
    found = [session(frame) for frame in video[:2]]
    session.add(["the cat that sleeps beside the red chair", "the bird"])
    found += session.stream([video[2:]])
    assert encoded == [1, 1, 2]
    assert session.expressions == ["the dog", "the cat that sleeps beside the red chair", "the bird"]
    assert [len(frame.masks) for frame in found] == [1, 1, 3, 3]


def test_wrong_input_gives_one_line(video: np.ndarray) -> None:
    system = predictor()
    with pytest.raises(InputError, match="there is nothing to look for"):
        VideoSession(system, [])(video[0])
    session = VideoSession(system, "the dog")
    with pytest.raises(InputError, match="sentence 1 is empty"):
        session.add(" ")
    assert session.expressions == ["the dog"]
    with pytest.raises(InputError, match="one picture is wanted, not 4"):
        session(video)
    with pytest.raises(InputError, match="one picture is wanted, not 4"):
        system(video, "the dog")
    with pytest.raises(InputError, match="each of the 2 videos needs its own sentences; a single text"):
        next(system.stream_videos([video, video], "the dog"))
    with pytest.raises(InputError, match="each of the 1 videos needs its own sentences; those about 2"):
        next(system.stream_videos([video], ["the dog", "the cat"]))
