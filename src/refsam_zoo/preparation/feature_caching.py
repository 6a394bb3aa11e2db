"""The image features of a data set, computed ahead of training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from tqdm import tqdm

from refsam_zoo.caching.entries import EntryFolder
from refsam_zoo.caching.features import FeatureCache
from refsam_zoo.clips.reading import group_by_video
from refsam_zoo.data_modules.recognition import recognise
from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS, ImageEncoder
from refsam_zoo.model.tuners import TUNERS
from refsam_zoo.precision import Precision, choose_device, computing_in
from refsam_zoo.types import Referral
from refsam_zoo.video.readers import open_video

FRAMES_AT_ONCE = 4


def cache_features(
    folder: str | Path,
    image_encoder: ImageEncoder | None = None,
    data: str | Path | None = None,
    split: str = "train",
    precision: Precision | None = None,
    device: str = "auto",
    gigabytes: float = 100.0,
    clear: bool = False,
) -> Iterator[str]:
    """Encodes the annotated frames of a split into a feature cache, those that are not in it already.

    Args:
        folder: The feature cache.
        image_encoder: Needed with `data`; frozen and moved to the device.
        data: Folder of the data set, recognised from its tree; without one nothing is computed.
        split: A split by the name that the data set gives it.
        precision: As the trainer's that is to use them; None takes what it chooses by itself on the device.
        device: `cpu`, `cuda`, `cuda:1`, ...; `auto` takes a GPU where there is one.
        gigabytes: Size limit in 10^9 bytes; what was unused for longest goes first.
        clear: Delete all entries first.

    Yields:
        What was done as soon as it is, and at last what the cache holds, a line each.

    Raises:
        InputError: There is no encoder, the data set or the split is not known, a frame cannot be read, or the disk is
            full.
    """
    if data is not None and image_encoder is None:
        raise InputError(
            f"--image_encoder is missing; name the one to be trained with{nearest_name('', IMAGE_ENCODERS)}"
        )
    entries = EntryFolder(folder, gigabytes)
    if clear:
        yield f"{entries.clear()} entries deleted"
    if data is not None and image_encoder is not None:
        features = FeatureCache(entries)
        _fill(features, image_encoder, _referrals(Path(data), split), choose_device(device), precision)
        yield f"{features.misses} frames encoded, {features.hits} were there"
    held = entries.entries()
    yield f"{len(held)} entries, {sum(entry.size for entry in held) / 1e9:.2f} GB"


def _fill(
    features: FeatureCache,
    encoder: ImageEncoder,
    referrals: list[Referral],
    device: torch.device,
    precision: Precision | None,
) -> None:
    with computing_in(device, precision):
        frozen = TUNERS.build("frozen").apply(encoder).to(device)
        for referral, *_ in tqdm(group_by_video(referrals), unit="video"):
            with open_video(referral.source, referral.frames) as reader:
                for batch in reader.stream(FRAMES_AT_ONCE):
                    frames = torch.from_numpy(batch).permute(0, 3, 1, 2)
                    features.images(frozen, frames, [(frames.shape[-2], frames.shape[-1])] * len(frames))
                    if features.entries.refusal is not None:
                        raise InputError(features.entries.refusal)


def _referrals(data: Path, split: str) -> list[Referral]:
    splits = recognise(data).splits
    if split not in splits:
        raise InputError(f"{data}: no split '{split}'{nearest_name(split, splits)}")
    return splits[split]()
