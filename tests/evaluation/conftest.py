"""A small data set of expressions, in the layout of Ref-YouTube-VOS, and predictions for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.masks import PaletteMasks

FRAMES = tuple(f"{position:05d}" for position in range(0, 55, 5))
SIZE = (40, 60)


def _labels(video: int) -> np.ndarray:
    """Two squares that move, the second only in the first half: uint8 `[T, H, W]`."""
    labels = np.zeros((len(FRAMES), *SIZE), np.uint8)
    for position in range(len(FRAMES)):
        labels[position, 5:15, position : 12 + position + video] = 1
        if position < 6:
            labels[position, 20:35, 30:50] = 2
    return labels


def _save(folder: Path, maps: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for name, labels in zip(FRAMES, maps, strict=True):
        Image.fromarray(labels).save(folder / f"{name}.png")


@pytest.fixture
def referrals(tmp_path: Path) -> list[Referral]:
    """Two videos with three expressions each: one object, both, and an absent one."""
    found = []
    for video in range(2):
        annotations, frames = tmp_path / "Annotations" / f"v{video}", tmp_path / "JPEGImages" / f"v{video}"
        _save(annotations, _labels(video))
        frames.mkdir(parents=True)
        for name in FRAMES:
            Image.new("RGB", SIZE[::-1]).save(frames / f"{name}.jpg")
        for number, ids in enumerate([(1,), (1, 2), ()]):
            masks = PaletteMasks(annotations, FRAMES, ids)
            tags = {"kind": "absent" if not ids else "present"}
            found.append(Referral(f"v{video}", str(number), "words", ids, FRAMES, VideoSource(frames), masks, tags))
    return found


def _predict(referral: Referral) -> np.ndarray:
    """The true union moved by three pixels; on absent targets a false alarm in one frame: uint8 `[T, H, W]`."""
    assert referral.masks is not None
    mask = np.roll(referral.masks.read(range(len(FRAMES)), SIZE), 3, axis=2)
    if not referral.object_ids:
        mask[4, :5, :5] = True
    return mask.astype(np.uint8) * 255


@pytest.fixture
def predictions(tmp_path: Path, referrals: list[Referral]) -> Path:
    folder = tmp_path / "predictions"
    for referral in referrals:
        _save(folder / referral.video_id / referral.expression_id, _predict(referral))
    return folder
