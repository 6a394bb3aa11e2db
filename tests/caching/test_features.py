"""Cached features: the same as computed ones, and never those of something else."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from refsam_zoo import create_model
from refsam_zoo.caching.entries import EntryFolder
from refsam_zoo.caching.features import FeatureCache, require_frozen
from refsam_zoo.caching.fingerprint import fingerprint
from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders.vit_tiny import vit_tiny
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.model.text_encoders import TEXT_ENCODERS
from refsam_zoo.types import ClipBatch

SENTENCES = ["the red square", "the very small green circle on the left"]
SIZES = [(40, 60), (30, 20)]


def build() -> RefSAM:
    torch.manual_seed(0)
    return create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen")


def batch() -> ClipBatch:
    frames = torch.randint(0, 256, (2, 2, 3, 40, 60), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return ClipBatch(frames, SIZES, SENTENCES, torch.tensor([0, 1]), None, clips=[])


def cached(model: RefSAM, folder: Path) -> FeatureCache:
    cache = FeatureCache(EntryFolder(folder))
    require_frozen(model.image_encoder)
    model.features = cache
    return cache


@torch.no_grad()
def test_the_second_time_nothing_is_computed_and_everything_is_equal(tmp_path: Path) -> None:
    model = build()
    plain = model(batch())
    cache = cached(model, tmp_path)
    first = model(batch())
    assert (cache.hits, cache.misses) == (0, 6)
    again = build()
    cache = cached(again, tmp_path)
    again.image_encoder.register_forward_pre_hook(lambda *_: pytest.fail("an image was encoded"))
    again.text_encoder.register_forward_pre_hook(lambda *_: pytest.fail("a sentence was encoded"))
    second = again(batch())
    assert (cache.hits, cache.misses) == (6, 0)
    assert second.low_res_logits.equal(first.low_res_logits)
    scale = plain.low_res_logits.abs().max()
    assert (first.low_res_logits - plain.low_res_logits).abs().max() <= 2**-7 * scale


@torch.no_grad()
def test_some_frames_known_and_some_twice(tmp_path: Path) -> None:
    model = build()
    cache = cached(model, tmp_path)
    frames = batch().frames[:, 0]
    model.encode_images(frames[:1])
    mixed = model.encode_images(torch.cat([frames[1:], frames[:1], frames[1:]]))
    assert (cache.hits, cache.misses) == (2, 2)
    torch.testing.assert_close(mixed.image[1], model.encode_images(frames[:1]).image[0], atol=1e-2, rtol=0)
    assert mixed.image[0].equal(mixed.image[2])
    assert not mixed.image[0].equal(mixed.image[1])


@torch.no_grad()
def test_padding_of_the_batch_is_no_content(tmp_path: Path) -> None:
    cache = cached(model := build(), tmp_path)
    frames = batch().frames[:1, 0]
    model.encode_images(frames, [(30, 20)])
    model.encode_images(frames[..., :30, :20])
    assert (cache.hits, cache.misses) == (1, 1)
    model.encode_images(frames[..., :20, :30])
    assert cache.misses == 2


@torch.no_grad()
def test_new_weights_are_never_answered_with_old_features(tmp_path: Path) -> None:
    model = build()
    cache = cached(model, tmp_path)
    frames = batch().frames[:, 0]
    model.encode_images(frames)
    for change in (
        lambda: model.image_encoder.vit.blocks[0].mlp.lin1.weight.add_(1e-3),
        lambda: model.image_encoder.load_state_dict(copy.deepcopy(vit_tiny().requires_grad_(False).state_dict())),
        lambda: setattr(model.image_encoder.vit, "pos_embed", torch.nn.Parameter(torch.zeros(1, 12, 12, 128), False)),
    ):
        change()
        misses = cache.misses
        model.encode_images(frames)
        assert cache.misses == misses + 2
    with torch.autocast("cpu", torch.bfloat16):
        model.encode_images(frames)
    assert cache.misses == misses + 4


def test_the_fingerprint_sees_options_that_no_weight_shows() -> None:
    torch.manual_seed(0)
    encoder = vit_tiny()
    known = fingerprint(encoder)
    assert fingerprint(copy.deepcopy(encoder).eval().requires_grad_(False)) == known
    for name, value in (("image_size", 104), ("pixel_mean", (0.0, 0.0, 0.0))):
        other = copy.deepcopy(encoder)
        setattr(other, name, value)
        assert fingerprint(other) != known
    other = copy.deepcopy(encoder)
    other.vit.blocks[0].attn.heads = 2
    assert fingerprint(other) != known


@torch.no_grad()
def test_text_of_any_length_is_found_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    encoder = TEXT_ENCODERS.build("clip_tiny").eval().requires_grad_(False)
    cache = FeatureCache(EntryFolder(tmp_path))
    tokens = encoder.tokenize(SENTENCES)
    expected = encoder(tokens)
    for _ in range(2):
        found = cache.text(encoder, tokens)
        assert found.mask.equal(tokens.mask)
        torch.testing.assert_close(found.words[found.mask], expected.words[tokens.mask])
        alone = cache.text(encoder, encoder.tokenize(SENTENCES[:1]))
        torch.testing.assert_close(alone.words[0], expected.words[0][tokens.mask[0]])
    assert (cache.hits, cache.misses) == (4, 2)


def test_a_trained_encoder_is_refused(tmp_path: Path) -> None:
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="adapter")
    with pytest.raises(InputError, match=r"vit_tiny is trained; use --model\.tuner frozen"):
        cached(model, tmp_path)


def test_a_trained_text_encoder_is_not_cached_but_trained(tmp_path: Path) -> None:
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen", text_tuner="full")
    cache = cached(model, tmp_path)
    model(batch()).low_res_logits.sum().backward()
    assert (cache.hits, cache.misses) == (0, 4)
    assert any(parameter.grad is not None for parameter in model.text_encoder.parameters())


@torch.no_grad()
def test_damaged_entries_are_computed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cached(model := build(), tmp_path)
    expected = model(batch()).low_res_logits
    paths = [entry.path for entry in EntryFolder(tmp_path).entries()]
    for number, path in enumerate(paths[1:]):
        whole = path.read_bytes()
        path.write_bytes((whole[: len(whole) // 2], b"", whole[:-1] + bytes([whole[-1] ^ 1]), bytes(4))[number % 4])
    cache = cached(build(), tmp_path)
    model.features = cache
    assert model(batch()).low_res_logits.equal(expected)
    assert (cache.hits, cache.misses) == (1, 5)
    assert caplog.text.count("is damaged; its features are computed again") == 5
    assert model(batch()).low_res_logits.equal(expected)
    assert cache.misses == 5


@torch.no_grad()
def test_features_of_another_release_are_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached(model := build(), tmp_path)
    model(batch())
    monkeypatch.setattr("refsam_zoo.caching.fingerprint.version", lambda name: "0.0.1")
    cache = cached(model, tmp_path)
    model(batch())
    assert (cache.hits, cache.misses) == (0, 6)
