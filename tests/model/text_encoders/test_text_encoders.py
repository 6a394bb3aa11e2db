from __future__ import annotations

import copy
import logging

import pytest
import torch

from refsam_zoo.errors import InputError
from refsam_zoo.model.text_encoders import TEXT_ENCODERS, TextEncoder
from refsam_zoo.model.text_encoders.hugging_face import HuggingFaceTextEncoder
from refsam_zoo.model.tuners import TUNERS
from refsam_zoo.types import Tokens

SHORT = "the red circle"
LONG = "the small blue square that moves to the left of the green star"


def build(name: str, seed: int) -> TextEncoder:
    """Builds an entry with one layer; without a folder the ids are bytes, so that a small vocabulary is enough."""
    cls = TEXT_ENCODERS.get(name)
    if issubclass(cls, HuggingFaceTextEncoder):
        cls = type(name, (cls,), {"sizes": {**cls.sizes, "vocab_size": 300}})
    torch.manual_seed(seed)
    return cls(layers=1).eval()


@pytest.fixture(scope="module", params=list(TEXT_ENCODERS))
def encoder(request: pytest.FixtureRequest) -> TextEncoder:
    return build(request.param, seed=0)


def test_tokens_are_padded_to_the_longest(encoder: TextEncoder) -> None:
    tokens = encoder.tokenize([SHORT, LONG])
    assert tokens.ids.dtype == torch.int64
    assert tokens.mask.dtype == torch.bool
    assert tokens.ids.shape == tokens.mask.shape
    assert bool(tokens.mask[1].all())
    length = int(tokens.mask[0].sum())
    assert tokens.ids[0, :length].tolist() == encoder.token_ids(SHORT)
    assert (tokens.ids[0, length:] == encoder.pad_id).all()


def test_padding_changes_nothing(encoder: TextEncoder) -> None:
    with torch.no_grad():
        alone, beside = encoder(encoder.tokenize([SHORT])), encoder(encoder.tokenize([SHORT, LONG]))
    length = alone.words.shape[1]
    assert alone.words.shape == (1, length, encoder.width)
    assert beside.words.shape[1] > length
    torch.testing.assert_close(beside.words[0, :length], alone.words[0], atol=1e-5, rtol=0)


def test_another_sentence_has_other_features(encoder: TextEncoder) -> None:
    with torch.no_grad():
        words = encoder(encoder.tokenize(["left of the star", "right of the star"])).words
    assert (words[0, -1] - words[1, -1]).abs().max() > 1e-3


def test_an_empty_expression_is_refused(encoder: TextEncoder) -> None:
    with pytest.raises(InputError, match="empty"):
        encoder.tokenize([SHORT, "  "])


def test_an_expression_that_could_not_be_decoded_is_refused(encoder: TextEncoder) -> None:
    with pytest.raises(InputError, match=r"not UTF-8 text: 'the \\udce9toile'"):
        encoder.tokenize([SHORT, "the \udce9toile"])


def test_a_long_expression_is_cut_with_a_warning(encoder: TextEncoder, caplog: pytest.LogCaptureFixture) -> None:
    expression = f"{type(encoder).__name__} " + "very " * encoder.max_tokens
    with caplog.at_level(logging.WARNING):
        tokens = encoder.tokenize([expression])
    ids = encoder.token_ids(expression)
    assert tokens.ids.shape == (1, encoder.max_tokens)
    assert tokens.ids[0, -1] == ids[-1]
    assert f"{len(ids)} tokens is cut to {encoder.max_tokens}" in caplog.text
    with torch.no_grad():
        assert encoder(tokens).words.isfinite().all()


def test_frozen_stays_in_evaluation_mode(encoder: TextEncoder) -> None:
    TUNERS.build("frozen").apply(encoder)
    encoder.train()
    assert not any(module.training for module in encoder.modules())
    assert not encoder(encoder.tokenize([SHORT])).words.requires_grad


def test_full_gives_every_parameter_a_gradient(encoder: TextEncoder) -> None:
    TUNERS.build("full").apply(encoder)
    encoder.train()
    assert encoder.training
    encoder(encoder.tokenize([SHORT])).words.square().sum().backward()
    assert [name for name, parameter in encoder.named_parameters() if parameter.grad is None] == []
    encoder.zero_grad()
    encoder.eval()


def test_state_dict_round_trip(encoder: TextEncoder) -> None:
    other = build(type(encoder).__name__, seed=1)
    tokens = encoder.tokenize([SHORT])
    with torch.no_grad():
        expected = encoder(tokens).words
        assert not torch.allclose(other(tokens).words, expected)
        other.load_state_dict(encoder.state_dict())
        assert other(tokens).words.equal(expected)


@torch.no_grad()
@pytest.mark.parametrize(("dtype", "error"), [(torch.float64, 1e-4), (torch.bfloat16, 0.1)], ids=str)
def test_an_encoder_computes_in_the_precision_of_its_weights(
    encoder: TextEncoder, dtype: torch.dtype, error: float
) -> None:
    tokens = encoder.tokenize([SHORT, LONG])
    expected, found = encoder(tokens).words, copy.deepcopy(encoder).to(dtype)(tokens).words
    assert found.dtype == dtype
    torch.testing.assert_close(
        found.float()[tokens.mask],
        expected[tokens.mask],
        atol=error * float(expected[tokens.mask].abs().max()),
        rtol=0,
    )


def test_lora_tunes_every_text_encoder(encoder: TextEncoder) -> None:
    """Last in the file: it changes the encoder."""
    tokens = encoder.tokenize([SHORT])
    with torch.no_grad():
        before = encoder(tokens).words
    TUNERS.build("lora").apply(encoder)
    words = encoder(tokens).words
    torch.testing.assert_close(words, before, atol=1e-5, rtol=0)
    words.square().sum().backward()
    trained = {name: parameter for name, parameter in encoder.named_parameters() if parameter.requires_grad}
    assert trained
    assert all("lora_" in name and parameter.grad is not None for name, parameter in trained.items())


def test_padding_ids_are_never_looked_at() -> None:
    encoder = TEXT_ENCODERS.build("clip_tiny").eval()
    tokens = encoder.tokenize([SHORT, LONG])
    other = Tokens(torch.where(tokens.mask, tokens.ids, 7), tokens.mask)
    with torch.no_grad():
        first, second = encoder(tokens).words, encoder(other).words
    torch.testing.assert_close(first[tokens.mask], second[tokens.mask], atol=1e-6, rtol=0)
