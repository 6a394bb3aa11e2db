"""The image features of a data set, computed ahead of training."""

from __future__ import annotations

from pathlib import Path

import torch
from tqdm import tqdm

from refsam_zoo.caching.entries import Entry
from refsam_zoo.caching.features import FeatureCache
from refsam_zoo.clips.clips import group_by_video
from refsam_zoo.data_modules.recognition import recognise
from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.model.image_encoders import ImageEncoder
from refsam_zoo.model.tuners import TUNERS
from refsam_zoo.precision import Precision, computing_in
from refsam_zoo.types import Referral
from refsam_zoo.video.readers import open_video

FRAMES_AT_ONCE = 4


def fill(
    features: FeatureCache,
    encoder: ImageEncoder,
    data: str | Path,
    split: str,
    device: torch.device,
    precision: Precision | None = None,
) -> None:
    """Encodes the annotated frames of every video of a split, those that are not in the cache already.

    Args:
        features: Where the features go.
        encoder: Frozen and moved to the device.
        data: Folder of the data set, recognised from its tree.
        split: A split by the name that the data set gives it.
        device: Where to compute.
        precision: As the trainer's that is to use them; None takes what it chooses by itself on the device.

    Raises:
        InputError: The data set or the split is not known, a frame cannot be read, or the disk is full.
    """
    with computing_in(device, precision):
        frozen = TUNERS.build("frozen").apply(encoder).to(device)
        for referral, *_ in tqdm(group_by_video(_referrals(Path(data), split)), unit="video"):
            with open_video(referral.source, referral.frames) as reader:
                for batch in reader.stream(FRAMES_AT_ONCE):
                    frames = torch.from_numpy(batch).permute(0, 3, 1, 2)
                    features.images(frozen, frames, [(frames.shape[-2], frames.shape[-1])] * len(frames))
                    if features.entries.refusal is not None:
                        raise InputError(features.entries.refusal)


def describe(entries: list[Entry]) -> str:
    """Says how many entries there are and how large they are together."""
    return f"{len(entries)} entries, {sum(entry.size for entry in entries) / 1e9:.2f} GB"


def _referrals(data: Path, split: str) -> list[Referral]:
    splits = recognise(data).splits
    if split not in splits:
        raise InputError(f"{data}: no split '{split}'{nearest_name(split, splits)}")
    return splits[split]()
