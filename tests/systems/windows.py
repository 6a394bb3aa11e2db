"""Videos as the batches of windows that evaluation hands over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from refsam_zoo.types import Clip, ClipBatch, Referral, VideoSource


def make_batch(videos: list[np.ndarray], sentences: Sequence[Sequence[str]], first: bool = True) -> ClipBatch:
    """Pads windows of as many frames, uint8 `[T, H, W, 3]`, to one size, each with its sentences."""
    height, width = (max(video.shape[axis] for video in videos) for axis in (1, 2))
    frames = torch.zeros(len(videos), len(videos[0]), 3, height, width, dtype=torch.uint8)
    clips = []
    for index, (video, said) in enumerate(zip(videos, sentences, strict=True)):
        frames[index, :, :, : video.shape[1], : video.shape[2]] = torch.from_numpy(video).permute(0, 3, 1, 2)
        names = tuple(f"{number:05d}" for number in range(len(video)))
        referrals = tuple(
            Referral(f"video{index}", str(number), sentence, (1,), names, VideoSource(Path("frames")))
            for number, sentence in enumerate(said)
        )
        clips.append(Clip(video[:0], names, referrals, tuple(said), None, first))
    return ClipBatch(
        frames=frames,
        sizes=[(video.shape[1], video.shape[2]) for video in videos],
        expressions=[sentence for said in sentences for sentence in said],
        clip_index=torch.repeat_interleave(torch.tensor([len(said) for said in sentences])),
        masks=None,
        clips=clips,
    )
