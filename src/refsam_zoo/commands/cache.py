"""`refsam-zoo cache`: the image features of a data set, computed ahead of training."""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.model.image_encoders import ImageEncoder
from refsam_zoo.number_types import PositiveFloat
from refsam_zoo.precision import Precision


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
        InputError: The data set, the split or the encoder is not known, a frame cannot be read, or the disk is full.
    """
    from refsam_zoo.preparation.feature_caching import cache_features

    for line in cache_features(folder, image_encoder, data, split, precision, device, gigabytes, clear):
        print(line)
