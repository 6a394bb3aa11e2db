"""What Python programs have frames and sentences in, checked at the door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.systems.inputs import checked_sentences, rgb_batches

VIDEO = np.random.default_rng(0).integers(0, 256, (3, 4, 6, 3)).astype(np.uint8)
GREY = VIDEO[..., :1]

SAME = {
    "a batch": [VIDEO],
    "the video itself": VIDEO,
    "frame by frame": list(VIDEO),
    "pillow": [Image.fromarray(frame) for frame in VIDEO],
    "torch": [torch.from_numpy(VIDEO)],
    "a torch video": torch.from_numpy(VIDEO),
    "lists": [list(VIDEO)],
    "float in 0..1": [VIDEO / 255],
    "half": [(VIDEO / 255).astype(np.float16)],
    "bfloat16 would round": [torch.from_numpy(VIDEO / 255).double()],
    "wide integers": [VIDEO.astype(np.int64)],
    "RGBA": [np.concatenate([VIDEO, GREY], -1)],
    "not contiguous": [VIDEO[..., ::-1].copy()[..., ::-1]],
    "big-endian": [VIDEO.astype(">i4")],
    "with an empty batch": [VIDEO[:0], VIDEO],
}


@pytest.mark.parametrize("frames", SAME.values(), ids=SAME.keys())
def test_frames_of_every_kind_become_the_same_bytes(frames: Any) -> None:
    found = np.concatenate(list(rgb_batches(frames)))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, VIDEO)


@pytest.mark.parametrize(
    "frames",
    [[GREY], [GREY[0, ..., 0], *GREY[1:]], [np.concatenate([GREY, GREY], -1)], [*map(Image.fromarray, GREY[..., 0])]],
    ids=["one channel", "none", "alpha", "pillow"],
)  # fmt: skip
def test_grey_becomes_three_equal_channels(frames: Any) -> None:
    found = np.concatenate(list(rgb_batches(frames)))
    np.testing.assert_array_equal(found, np.broadcast_to(GREY, VIDEO.shape))


def test_booleans_are_black_and_white() -> None:
    (found,) = rgb_batches([VIDEO > 127])
    assert set(np.unique(found)) == {0, 255}


WRONG = {
    "float in 0..255": ([VIDEO.astype(np.float32)], r"0\.\.1"),
    "normalised": ([VIDEO / 127.5 - 1], r"0\.\.1"),
    "not a number": ([np.full((4, 6, 3), np.nan)], r"0\.\.1"),
    "16 bit": ([VIDEO.astype(np.uint16) * 257], r"0\.\.255"),
    "negative": ([VIDEO.astype(np.int16) - 300], r"0\.\.255"),
    "channels first": ([torch.from_numpy(VIDEO).permute(0, 3, 1, 2)], r"permute\(0, 2, 3, 1\)"),
    "one, channels first": ([torch.from_numpy(VIDEO[0]).permute(2, 0, 1)], r"permute\(1, 2, 0\)"),
    "five channels": ([np.zeros((4, 6, 5), np.uint8)], "channels last"),
    "no pixels": ([np.zeros((0, 6, 3), np.uint8)], "channels last"),
    "complex": ([VIDEO.astype(complex)], "complex"),
    "text": ("video.mp4", "open_video"),
    "a path": (Path("video.mp4"), "open_video"),
    "paths": (["0.png"], "not of type str"),
    "two sizes": ([[VIDEO[0], VIDEO[0, :2]]], "different sizes"),
}


@pytest.mark.parametrize(("frames", "message"), WRONG.values(), ids=WRONG.keys())
def test_other_frames_are_refused_in_one_line(frames: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        list(rgb_batches(frames))
    assert isinstance(error.value, InputError)


def test_a_text_is_one_sentence() -> None:
    assert checked_sentences("the dog") == ["the dog"]
    assert checked_sentences(("a", "b")) == ["a", "b"]
    wrong: list[Any] = [[], "", ["a", " "], [3]]
    for sentences in wrong:
        with pytest.raises(InputError, match="sentence"):
            checked_sentences(sentences)
