"""A batch is taken apart into the clips that count, each at its own size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from refsam_zoo.callbacks.base import predicted_clips
from refsam_zoo.types import Clip, ClipBatch, Referral, VideoSource

SHAPES = ((3, 6, 10), (2, 8, 5), (1, 4, 4))
"""Frames, height and width of the clips; the second only pads a process's share."""
EXPRESSIONS = (2, 1, 3)


def make_batch(with_truth: bool) -> tuple[ClipBatch, Tensor]:
    """A batch whose padding is True everywhere, so that whatever is let through shows, and predictions for it."""
    clips = []
    masks = torch.ones(sum(EXPRESSIONS), 3, 8, 10, dtype=torch.bool)
    frames = torch.full((len(SHAPES), 3, 3, 8, 10), 255, dtype=torch.uint8)
    for position, ((length, height, width), count) in enumerate(zip(SHAPES, EXPRESSIONS, strict=True)):
        names = tuple(map(str, range(length)))
        referrals = tuple(
            Referral(f"v{position}", str(n), "it", (1,), names, VideoSource(Path())) for n in range(count)
        )
        clips.append(Clip(np.empty(0), names, referrals, ("it",) * count, None, repeated=position == 1))
        masks[sum(EXPRESSIONS[:position]) :][:count, :length, :height, :width] = False
        frames[position, :length, :, :height, :width] = position
    index = torch.repeat_interleave(torch.tensor(EXPRESSIONS))
    sizes = [(height, width) for _, height, width in SHAPES]
    batch = ClipBatch(frames, sizes, ["it"] * sum(EXPRESSIONS), index, masks if with_truth else None, clips)
    return batch, masks


@pytest.mark.parametrize("with_truth", [True, False])
def test_padding_and_repeated_clips_are_left_out(with_truth: bool) -> None:
    batch, predictions = make_batch(with_truth)
    found = list(predicted_clips(predictions, batch))
    assert [predicted.clip for predicted in found] == [batch.clips[0], batch.clips[2]]
    for predicted, place in zip(found, (0, 2), strict=True):
        length, height, width = SHAPES[place]
        assert predicted.frames.shape == (length, 3, height, width)
        assert (predicted.frames == place).all()
        assert predicted.predictions.shape == (EXPRESSIONS[place], length, height, width)
        assert not predicted.predictions.any()
        if with_truth:
            assert predicted.masks is not None
            assert predicted.masks.shape == predicted.predictions.shape
            assert not predicted.masks.any()
        else:
            assert predicted.masks is None
