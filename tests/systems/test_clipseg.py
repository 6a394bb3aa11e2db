from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from systems.tiny_folders import tiny_clipseg
from torch.nn import functional as F
from transformers import CLIPSegForImageSegmentation, CLIPSegProcessor

from refsam_zoo.errors import InputError
from refsam_zoo.model.text_encoders.base import warn_truncated
from refsam_zoo.systems.clipseg import clipseg

SENTENCES = ["the red car", "a dog that runs to the left", "the sky"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clipseg(tmp_path_factory.mktemp("clipseg"))


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, 40, 56, 3), dtype=np.uint8)


def reference_logits(folder: Path, frame: np.ndarray) -> torch.Tensor:
    """The package's own way: the picture repeated for each sentence."""
    processor = CLIPSegProcessor.from_pretrained(folder)
    model = CLIPSegForImageSegmentation.from_pretrained(folder)
    inputs = processor(text=SENTENCES, images=[frame] * len(SENTENCES), padding=True, return_tensors="pt")
    with torch.no_grad():
        return model(**inputs).logits


@pytest.mark.parametrize("expressions_at_once", [1, 2, 8])
def test_logits_are_the_packages_own(folder: Path, frames: np.ndarray, expressions_at_once: int) -> None:
    system = clipseg(folder, expressions_at_once=expressions_at_once)
    found = list(system.stream([frames], SENTENCES))
    assert len(found) == len(frames)
    for frame, given in zip(found, frames, strict=True):
        logits = F.interpolate(reference_logits(folder, given)[:, None], given.shape[:2], mode="bilinear")[:, 0]
        certain = logits.abs() > 1e-5
        assert 0 < (logits > 0).float().mean() < 1
        np.testing.assert_array_equal(frame.masks[certain], (logits > 0).numpy()[certain])
        masks = torch.from_numpy(frame.masks)
        inside = (logits.sigmoid() * masks).sum((1, 2)) / masks.sum((1, 2))
        expected = torch.where(masks.any(2).any(1), inside, logits.sigmoid().amax((1, 2)))
        np.testing.assert_allclose(frame.scores, expected, atol=1e-5)


def test_raw_logits_are_the_packages_own(folder: Path, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    system, seen = clipseg(folder), []
    decode = system._decode
    monkeypatch.setattr(system, "_decode", lambda *given: seen.append(decode(*given)) or seen[-1])
    next(iter(system.stream(frames[0], SENTENCES)))
    torch.testing.assert_close(seen[0], reference_logits(folder, frames[0]), atol=1e-5, rtol=0)


def test_the_frame_is_encoded_once_for_all_sentences(
    folder: Path, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, calls = clipseg(folder), []
    system.model.clip.vision_model.register_forward_pre_hook(lambda _, given: calls.append(len(given[0])))
    list(system.stream(frames, SENTENCES))
    assert sum(calls) == len(frames)


def test_a_higher_threshold_takes_fewer_pixels(folder: Path, frames: np.ndarray) -> None:
    areas = [next(iter(clipseg(folder, threshold=t).stream(frames[0], SENTENCES))).masks.sum() for t in (0, 0.5, 1)]
    assert areas[0] == frames[0, ..., 0].size * len(SENTENCES) > areas[1] > areas[2] == 0


def test_a_sentence_beyond_the_limit_gets_a_warning(
    folder: Path, frames: np.ndarray, caplog: pytest.LogCaptureFixture
) -> None:
    warn_truncated.cache_clear()
    system = clipseg(folder)
    with caplog.at_level(logging.WARNING):
        first = next(iter(system.stream(frames[0], ["the car " * 15])))
    assert "92 tokens is cut to 77" in caplog.text
    cut = next(iter(system.stream(frames[0], ["the car " * 12 + "the zebra"])))
    np.testing.assert_array_equal(first.masks, cut.masks)


def test_nothing_given_says_what_to_get() -> None:
    with pytest.raises(
        InputError, match=r"CIDAS/clipseg-rd64-refined \(config\.json, model\.safetensors, .*; 0\.6 GB\)"
    ):
        clipseg()
