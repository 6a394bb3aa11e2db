"""Prompts against their definitions, written out pixel by pixel and word by word."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import refsam_zoo.zoo  # noqa: F401  registers every prompt
from refsam_zoo.errors import InputError
from refsam_zoo.model.cross_modal import CrossModalMLP, Language
from refsam_zoo.model.prompts import DENSE_PROMPTS, SPARSE_PROMPTS, DensePrompt, SparsePrompt
from refsam_zoo.model.prompts.dense import PixelWordAttention
from refsam_zoo.types import ImageFeatures, TextFeatures

WIDTH, SIDE = 8, 6
PAPER = "2307.00997"


@pytest.fixture(autouse=True)
def repeatable() -> None:
    torch.manual_seed(0)


def language() -> Language:
    """Two sentences of four and two words."""
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    words, sentence = (F.normalize(torch.randn(2, *size, WIDTH), dim=-1) for size in ((4,), ()))
    return Language(words, sentence, mask)


def image(side: int = SIDE, width: int = WIDTH) -> Tensor:
    return F.normalize(torch.randn(2, width, side, side + 1), dim=1)


def written_out(attention: PixelWordAttention, pixels: Tensor, said: Language, scale: float) -> Tensor:
    """softmax(P K^T scale) K beside P, then a 1x1 convolution, for one pixel of one sentence after the other."""
    expected = torch.empty_like(pixels)
    weight, bias = attention.projection.weight[:, :, 0, 0], attention.projection.bias
    assert bias is not None
    for number in range(len(pixels)):
        keys = torch.cat([said.words[number, said.mask[number]], said.sentence[number, None]])
        for row in range(pixels.shape[2]):
            for column in range(pixels.shape[3]):
                pixel = pixels[number, :, row, column]
                attended = (scale * keys @ pixel).softmax(0) @ keys
                expected[number, :, row, column] = weight @ torch.cat([pixel, attended]) + bias
    return expected


@torch.no_grad()
@pytest.mark.parametrize(("learned", "scale"), [(False, WIDTH**-0.5), (True, 10.0)])
def test_every_pixel_attends_to_the_real_words_and_the_sentence(learned: bool, scale: float) -> None:
    attention, pixels, said = PixelWordAttention(WIDTH, learned), image(), language()
    found = attention(pixels, attention.image_share(pixels), said)
    torch.testing.assert_close(found, written_out(attention, pixels, said, scale))


def test_only_a_learned_temperature_is_a_parameter() -> None:
    assert {name for name, _ in PixelWordAttention(WIDTH).named_parameters()} == {
        "projection.weight",
        "projection.bias",
    }
    attention, pixels, said = PixelWordAttention(WIDTH, learn_temperature=True), image(), language()
    attention(pixels, attention.image_share(pixels), said).square().sum().backward()
    assert attention.log_scale is not None
    assert attention.log_scale.grad is not None
    assert attention.log_scale.grad != 0


@torch.no_grad()
@pytest.mark.parametrize(("name", "scale"), [("dense_attention", WIDTH**-0.5), ("tempered_dense_attention", 10.0)])
def test_dense_attention(name: str, scale: float) -> None:
    prompt, features, said = DENSE_PROMPTS.build(name, width=WIDTH), ImageFeatures(image(), []), language()
    found = prompt(features.final, prompt.maps(features), said)
    assert found is not None
    torch.testing.assert_close(found, written_out(prompt.attention, features.final, said, scale))


@torch.no_grad()
@pytest.mark.parametrize("side", [SIDE, 2 * SIDE, SIDE - 2])
@pytest.mark.parametrize(
    ("name", "scale"),
    [("hierarchical_dense_attention", WIDTH**-0.5), ("tempered_hierarchical_dense_attention", 10.0)],
)
def test_hierarchical_dense_attention_adds_a_second_one_over_the_fused_maps(name: str, scale: float, side: int) -> None:
    prompt, said = DENSE_PROMPTS.build(name, width=WIDTH), language()
    prompt.connect((5, 7))
    tokens = [torch.randn(2, side, side + 1, width) for width in (5, 7)]
    features = ImageFeatures(image(), tokens)
    summed = features.final.clone()
    for lateral, part in zip(prompt.laterals, tokens, strict=True):
        projected = torch.einsum("bhwi,oi->bohw", part, lateral.weight[:, :, 0, 0]) + lateral.bias[:, None, None]
        summed += nn.Upsample(summed.shape[-2:], mode="bilinear", align_corners=False)(projected)
    padded = F.pad(summed, (1, 1, 1, 1))
    fused = F.conv2d(padded, prompt.fuse.weight, prompt.fuse.bias)
    fused = fused / fused.square().sum(1, keepdim=True).sqrt()
    expected = written_out(prompt.attention, features.final, said, scale)
    expected += written_out(prompt.fused_attention, fused, said, scale)
    found = prompt(features.final, prompt.maps(features), said)
    assert found is not None
    torch.testing.assert_close(found, expected)


def test_hierarchical_dense_attention_needs_every_map_it_was_connected_to() -> None:
    prompt = DENSE_PROMPTS.build("hierarchical_dense_attention", width=WIDTH)
    prompt.connect((5, 7))
    with pytest.raises(ValueError, match="shorter"):
        prompt.maps(ImageFeatures(image(), [torch.randn(2, SIDE, SIDE + 1, 5)]))


@torch.no_grad()
def test_ablations_of_the_dense_prompt() -> None:
    pixels, said = image(), language()
    summed, nothing = (DENSE_PROMPTS.build(name) for name in ("sentence_sum", "no_dense"))
    assert summed.maps(ImageFeatures(pixels, [])) == nothing.maps(ImageFeatures(pixels, [])) == []
    assert torch.equal(summed(pixels, [], said), pixels + said.sentence[:, :, None, None])
    assert nothing(pixels, [], said) is None


@torch.no_grad()
def test_sparse_prompts() -> None:
    pixels, said = image(), language()
    attending = SPARSE_PROMPTS.build("word_attention", width=WIDTH)
    found = {
        name: SPARSE_PROMPTS.build(name)(pixels, said) for name in ("word_tokens", "scaled_word_tokens", "no_words")
    }
    assert torch.equal(found["word_tokens"], said.words)
    assert torch.equal(found["no_words"], torch.zeros(2, 4, WIDTH))
    real = found["scaled_word_tokens"][said.mask]
    torch.testing.assert_close(real, said.words[said.mask] * math.sqrt(WIDTH))
    torch.testing.assert_close(real.square().mean(-1), torch.ones(6))
    weight, bias = attending.projection.weight, attending.projection.bias
    for number in range(2):
        for word, token in zip(said.words[number], attending(pixels, said)[number], strict=True):
            seen = sum((word @ pixel) * pixel for pixel in pixels[number].flatten(1).t())
            torch.testing.assert_close(token, weight @ torch.cat([seen, word]) + bias)


def sentences(text_width: int) -> TextFeatures:
    mask = language().mask
    return TextFeatures(torch.randn(2, 4, text_width).masked_fill(~mask.unsqueeze(-1), torch.nan), mask)


@torch.no_grad()
@pytest.mark.parametrize("hidden_layers", [0, 1, 2])
def test_words_and_their_mean_are_projected_by_the_same_weights(hidden_layers: int) -> None:
    mlp, text = CrossModalMLP(hidden_layers, width=WIDTH), sentences(10)
    mlp.connect(10)
    linear = [layer for layer in mlp.layers if isinstance(layer, nn.Linear)]
    inner = [5] * hidden_layers
    assert [layer.in_features for layer in linear] == [10, *inner]
    assert [layer.out_features for layer in linear] == [*inner, WIDTH]

    def project(vector: Tensor) -> Tensor:
        for number, layer in enumerate(linear):
            vector = layer.weight @ vector + layer.bias
            if number < hidden_layers:
                vector = vector.clamp(min=0)
        return vector / vector.norm()

    found = mlp(text)
    assert torch.equal(found.mask, text.mask)
    for number in range(2):
        real = text.words[number, text.mask[number]]
        torch.testing.assert_close(found.sentence[number], project(real.mean(0)))
        for word, projected in zip(real, found.words[number], strict=False):
            torch.testing.assert_close(projected, project(word))
    assert found.words.isfinite().all()


@pytest.mark.parametrize(("dropout", "kinds"), [(0.0, "Linear ReLU"), (0.25, "Linear ReLU Dropout")])
def test_dropout_follows_each_hidden_layer(dropout: float, kinds: str) -> None:
    mlp = CrossModalMLP(hidden_layers=2, dropout=dropout, width=WIDTH)
    mlp.connect(10)
    assert [type(layer).__name__ for layer in mlp.layers] == [*kinds.split(), *kinds.split(), "Linear"]
    assert all(layer.p == dropout for layer in mlp.layers if isinstance(layer, nn.Dropout))


def test_by_default_there_is_one_hidden_layer_without_dropout() -> None:
    mlp = CrossModalMLP(width=WIDTH)
    mlp.connect(10)
    assert [type(layer) for layer in mlp.layers] == [nn.Linear, nn.ReLU, nn.Linear]


def test_the_table_says_which_prompts_are_the_papers() -> None:
    assert {name for name in SPARSE_PROMPTS if SPARSE_PROMPTS.card(name).paper == PAPER} == {"word_tokens"}
    of_paper = {name for name in DENSE_PROMPTS if DENSE_PROMPTS.card(name).paper == PAPER}
    assert of_paper == {"dense_attention", "hierarchical_dense_attention"}
    families = {
        "RefSAM": {"word_tokens", "dense_attention", "hierarchical_dense_attention"},
        "RefSAM, released code": {"word_attention"},
        "RefSAM, ablation": {"no_words", "no_dense", "sentence_sum"},
    }
    for registry in (SPARSE_PROMPTS, DENSE_PROMPTS):
        for name in registry:
            family = next((family for family, names in families.items() if name in names), "refsam-zoo")
            assert registry.card(name).family == family


def test_a_prompt_that_is_not_known_is_called_one() -> None:
    with pytest.raises(InputError, match=r"^unknown sparse prompt 'word_token'; did you mean 'word_tokens'\?"):
        SPARSE_PROMPTS.get("word_token")
    with pytest.raises(InputError, match=r"^unknown dense prompt 'dense'; did you mean "):
        DENSE_PROMPTS.get("dense")


def test_a_prompt_of_ones_own_must_do_something() -> None:
    with pytest.raises(NotImplementedError):
        SparsePrompt()(image(), language())
    with pytest.raises(NotImplementedError):
        DensePrompt()(image(), [], language())
