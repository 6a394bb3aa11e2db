from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from formats.long_rvos import TYPES, write_long_rvos
from formats.masks import write_truth

from refsam_zoo.data_modules import LongRVOS
from refsam_zoo.data_modules.long_rvos import parse_long_rvos
from refsam_zoo.errors import InputError
from refsam_zoo.external_masks import evaluate
from refsam_zoo.types import Referral


@pytest.fixture
def root(shapes: list[Referral], tmp_path: Path) -> Path:
    write_long_rvos(tmp_path / "data", shapes)
    return tmp_path / "data"


def test_the_same_pixels_with_types(shapes: list[Referral], agree: Callable[..., None], root: Path) -> None:
    single = [referral for referral in shapes if len(referral.object_ids) == 1]
    found = parse_long_rvos(root, "valid")
    for original, copy in zip(single, found, strict=True):
        agree(original, copy, range(6))
    assert {referral.tags["type"] for referral in found} == set(TYPES)


def test_test_is_for_prediction_alone(root: Path) -> None:
    data = LongRVOS(root)
    assert all(referral.masks is None for referral in data.referrals("predict"))
    assert all(referral.masks is not None for referral in data.referrals("test"))


def test_a_frame_without_a_file_does_not_show_the_object(root: Path) -> None:
    referral = parse_long_rvos(root, "valid")[0]
    assert referral.masks is not None
    before = referral.masks.read(range(6), (64, 64))
    folder = root / "valid" / "Annotations" / referral.video_id / str(referral.object_ids[0])
    shown = int(np.argmax(before.any(axis=(1, 2))))
    (folder / f"{referral.frames[shown]}.png").unlink()
    after = referral.masks.read(range(6), (64, 64))
    assert not after[shown].any()
    np.testing.assert_array_equal(np.delete(after, shown, 0), np.delete(before, shown, 0))


def test_a_missing_object_is_named(root: Path) -> None:
    shutil.rmtree(next((root / "valid" / "Annotations").glob("*/*")))
    with pytest.raises(InputError, match=r"expressions\..*\.obj_id: the folder of its masks is missing: .*Annotations"):
        parse_long_rvos(root, "valid")


def test_the_truth_scores_1_in_every_type(root: Path, tmp_path: Path) -> None:
    masks = write_truth(parse_long_rvos(root, "valid"), tmp_path / "masks")
    scores = evaluate(masks, "long_rvos", root).scores
    names = ["jf", "tiou", "viou", *(f"{name}_{score}" for name in TYPES for score in ("jf", "tiou", "viou"))]
    assert {name: scores[name] for name in names} == pytest.approx(dict.fromkeys(names, 1.0))
