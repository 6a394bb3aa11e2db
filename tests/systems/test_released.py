"""The released code's ways of turning logits into masks, against loops written as it has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from refsam_zoo import create_model
from refsam_zoo.errors import InputError
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.model.text_encoders.hugging_face import HuggingFaceTextEncoder
from refsam_zoo.systems.predictor import Predictor
from refsam_zoo.systems.released import ReleasedDavisPredictor, ReleasedPredictor

SIZE = (40, 60)
OBJECTS = 2
SENTENCES = [f"the {word} {'very ' * annotator}red one" for word in ("left", "right") for annotator in range(4)]


class TinyBert(HuggingFaceTextEncoder):
    sizes = dict(hidden_size=32, num_attention_heads=2, intermediate_size=32, vocab_size=300)  # noqa: RUF012


@pytest.fixture(scope="module")
def model() -> RefSAM:
    torch.manual_seed(0)
    text_encoder = TinyBert(layers=1, mask_padding=False)
    model = create_model("refsam_vit_tiny", text_encoder=text_encoder, tuner="frozen", tracker="query_interaction")
    model.mask_decoder.output_hypernetworks_mlps[0].layers[-1].weight.data *= 10
    return model


@pytest.fixture(scope="module")
def video() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3)).astype(np.uint8)


def streamed(predictor: Predictor, video: np.ndarray) -> np.ndarray:
    return np.stack([found.masks for found in predictor.stream([video], SENTENCES)], 1)


def frames(model: RefSAM, video: np.ndarray) -> Iterator[torch.Tensor]:
    for frame in torch.from_numpy(video).permute(0, 3, 1, 2):
        yield frame[None]


@torch.no_grad()
def test_youtube_sentence_by_sentence(model: RefSAM, video: np.ndarray) -> None:
    expected = torch.zeros(len(SENTENCES), len(video), *SIZE)
    for row, sentence in enumerate(SENTENCES):
        token, language = None, model.encode_text([sentence])
        for step, frame in enumerate(frames(model, video)):
            output = model.segment(model.encode_images(frame), language, token)
            token = output.track_token
            expected[row, step] = model.restore(output.low_res_logits, SIZE)[0]
    clear = ((expected - 0.01).abs() > 1e-4).numpy()
    found = streamed(ReleasedPredictor(model), video)
    assert 0.01 < found.mean() < 0.99
    np.testing.assert_array_equal(found[clear], (expected > 0.01).numpy()[clear])
    together = streamed(Predictor(model, threshold=0.01), video)
    assert (together != found)[clear].any(), "a batch of sentences leaks its padding"


@torch.no_grad()
def test_davis_objects_compete_and_annotators_share_a_token(model: RefSAM, video: np.ndarray) -> None:
    labels = torch.zeros(4, len(video), *SIZE, dtype=torch.int64)
    margin = torch.zeros(4, len(video), *SIZE)
    tokens: list[torch.Tensor | None] = [None] * OBJECTS
    for step, frame in enumerate(frames(model, video)):
        encoded = model.encode_images(frame)
        for annotator in range(4):
            stack = [torch.full(SIZE, 0.1)]
            for number in range(OBJECTS):
                language = model.encode_text([SENTENCES[4 * number + annotator]])
                output = model.segment(encoded, language, tokens[number])
                tokens[number] = output.track_token
                stack.append(model.restore(output.low_res_logits, SIZE)[0].clamp(min=0))
            best = torch.stack(stack).topk(2, dim=0).values
            margin[annotator, step] = best[0] - best[1]
            labels[annotator, step] = torch.stack(stack).argmax(0)
    found = torch.from_numpy(streamed(ReleasedDavisPredictor(model), video)).unflatten(0, (OBJECTS, 4))
    clear = margin > 1e-4
    assert {0, 1, 2} <= set(labels.unique().tolist())
    for number in range(OBJECTS):
        assert found[number][clear].equal((labels == number + 1)[clear])


def test_davis_needs_four_sentences_for_each_object(model: RefSAM, video: np.ndarray) -> None:
    with pytest.raises(InputError, match="3 sentences about a video are not 4 for each object"):
        list(ReleasedDavisPredictor(model).stream([video], SENTENCES[:3]))


def test_the_preset_says_what_each_setting_reproduces() -> None:
    preset = Path(__file__).parents[2] / "configs" / "reproduction.yaml"
    lines = [line.strip() for line in preset.read_text(encoding="utf-8").splitlines()]
    explained = {}
    for number, line in enumerate(lines):
        if line.startswith("#:"):
            key = next(after for after in lines[number:] if not after.startswith("#"))
            explained[key.split(":")[0]] = key.split(": ")[1]
    assert explained == {
        "mask_padding": "false",
        "zero_init": "false",
        "predictor": "ReleasedPredictor",
        "image_encoder": "0.0",
    }
