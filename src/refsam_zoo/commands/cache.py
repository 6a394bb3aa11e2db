"""`refsam-zoo cache`: the image features of a data set, computed ahead of training."""

from __future__ import annotations

from pathlib import Path

import torch
from tqdm import tqdm

from refsam_zoo.caching.entries import Entry, EntryFolder
from refsam_zoo.caching.features import FeatureCache
from refsam_zoo.clips.clips import group_by_video
from refsam_zoo.data_modules.recognition import recognise
from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS, ImageEncoder
from refsam_zoo.model.roles import REGISTRIES
from refsam_zoo.model.tuners import TUNERS
from refsam_zoo.number_types import PositiveFloat
from refsam_zoo.parser import ROLES
from refsam_zoo.precision import Precision, choose_device, computing_in
from refsam_zoo.types import Referral
from refsam_zoo.video.readers import open_video

FRAMES_AT_ONCE = 4

ROLES.update(REGISTRIES)


def cache(
    folder: str | Path,
    *,
    data: str | Path | None = None,
    split: str = "train",
    image_encoder: ImageEncoder | None = None,
    precision: Precision | None = None,
    device: str = "auto",
    gigabytes: PositiveFloat = 100.0,
    clear: bool = False,
) -> None:
    """Computes the image features of a data set into a feature cache, or tells what one holds.

    Training finds them with `--model.feature_cache.folder FOLDER`, a frozen encoder with the same weights and options,
    the same precision, and no random augmentation. What is there already is not computed again.

    Args:
        folder: The feature cache.
        data: Folder of the data set, recognised from its tree; without one nothing is computed.
        split: Whose annotated frames are encoded.
        image_encoder: Image encoder by name, for instance `vit_b`, with its option `checkpoint`.
        precision: As the trainer's that is to use them; if not given, what it chooses by itself on the same device.
        device: `cpu`, `cuda`, `cuda:1`, ...; `auto` takes a GPU where there is one.
        gigabytes: Size limit in 10^9 bytes; what was unused for longest goes first.
        clear: Delete all entries first.

    Raises:
        InputError: The data set, the split or the encoder is not known, or a frame cannot be read.
    """
    folder = Path(folder)
    data = None if data is None else Path(data)
    entries = EntryFolder(folder, gigabytes)
    if clear:
        print(f"{entries.clear()} entries deleted")
    if data is not None:
        if image_encoder is None:
            raise InputError(
                f"--image_encoder is missing; name the one to be trained with{nearest_name('', IMAGE_ENCODERS)}"
            )
        features = FeatureCache(entries)
        target = choose_device(device)
        with computing_in(target, precision):
            fill(features, TUNERS.build("frozen").apply(image_encoder).to(target), _referrals(data, split))
        print(f"{features.misses} frames encoded, {features.hits} were there")
    print(describe(entries.entries()))


def fill(features: FeatureCache, encoder: ImageEncoder, referrals: list[Referral]) -> None:
    """Encodes the annotated frames of every video of some referrals."""
    for referral, *_ in tqdm(group_by_video(referrals), unit="video"):
        with open_video(referral.source, referral.frames) as reader:
            for batch in reader.stream(FRAMES_AT_ONCE):
                frames = torch.from_numpy(batch).permute(0, 3, 1, 2)
                features.images(encoder, frames, [(frames.shape[-2], frames.shape[-1])] * len(frames))


def describe(entries: list[Entry]) -> str:
    """Says how many entries there are and how large they are together."""
    return f"{len(entries)} entries, {sum(entry.size for entry in entries) / 1e9:.2f} GB"


def _referrals(data: Path, split: str) -> list[Referral]:
    splits = recognise(data).splits
    if split not in splits:
        raise InputError(f"{data}: no split '{split}'{nearest_name(split, splits)}")
    return splits[split]()
