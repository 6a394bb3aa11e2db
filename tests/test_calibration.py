from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from refsam_zoo.calibration import Calibration, Curve
from refsam_zoo.errors import InputError


def scores(count: int = 4000) -> np.ndarray:
    return np.random.default_rng(0).uniform(0.02, 0.98, count)


def test_the_curve_that_made_the_truth_is_found() -> None:
    made = Curve(0.6, -0.8)
    truth = np.random.default_rng(1).random(4000) < made(scores())
    with torch.inference_mode():  # as Lightning's evaluation is
        found = Curve.fit(scores(), truth)
    assert (found.slope, found.shift) == pytest.approx((0.6, -0.8), abs=0.1)
    values = np.sort(scores())
    assert (np.diff(found(values)) > 0).all()


def test_truth_may_be_a_similarity() -> None:
    made = Curve(1.5, 0.4)
    found = Curve.fit(scores(), made(scores()))
    np.testing.assert_allclose(found(scores()), made(scores()), atol=2e-3)


def test_without_frames_nothing_changes_and_the_order_is_kept_whatever_they_say() -> None:
    nothing = np.empty(0)
    assert Curve.fit(nothing, nothing) == Curve()
    np.testing.assert_allclose(Curve()(scores()), scores())
    assert Curve.fit(scores(), 1 - scores()).slope > 0
    ends = Curve.fit(np.array([0.0, 1.0]), np.array([0.0, 1.0]))(np.array([0.0, 1.0]))
    assert np.isfinite(ends).all()


def test_masks_and_empty_ones_have_curves_of_their_own(tmp_path: Path) -> None:
    absent = np.arange(4000) % 2 == 0
    truth = np.where(absent, Curve(1, -2)(scores()), Curve(1, 1)(scores()))
    calibration = Calibration.fit("sureness", scores(), absent, truth)
    np.testing.assert_allclose(calibration(scores(), absent), truth, atol=0.01)
    calibration.write(tmp_path / "calibration.json")
    assert Calibration.read(tmp_path / "calibration.json") == calibration


def test_where_none_were_seen_empty_masks_keep_their_scores(tmp_path: Path) -> None:
    calibration = Calibration.fit("sureness", scores(), scores() > 1, Curve(1, 1)(scores()))
    assert calibration.absent is None
    assert calibration.calibrated_meaning.endswith("where there is no mask, not calibrated")
    np.testing.assert_array_equal(calibration(scores(), scores() < 2), scores())
    calibration.write(tmp_path / "calibration.json")
    assert Calibration.read(tmp_path / "calibration.json") == calibration


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not the calibration.json that refsam-zoo validate writes"),
        ("[]", "not the calibration.json"),
        (json.dumps({"score_meaning": "x", "found": {"slope": 1}}), "not the calibration.json"),
        (json.dumps({"score_meaning": "x", "found": {"slope": -1, "shift": 0}, "absent": None}), "not the calibration"),
        (json.dumps({"score_meaning": "x", "found": None, "absent": None}), "not the calibration.json"),
    ],
)
def test_another_file_is_refused(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    with pytest.raises(InputError, match="No such file"):
        Calibration.read(path)
    path.write_text(content)
    with pytest.raises(InputError, match=said):
        Calibration.read(path)


def test_scores_of_another_kind_are_refused() -> None:
    calibration = Calibration("sureness", Curve(), Curve())
    calibration.require("sureness")
    with pytest.raises(InputError, match=r"another kind \(sureness\)"):
        calibration.require(calibration.calibrated_meaning)
