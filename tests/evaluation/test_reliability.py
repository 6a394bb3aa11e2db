from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.evaluation.figures import draw_reliability
from refsam_zoo.evaluation.reliability import Bin, Reliability, ScoredFrames, by_presence, write_reliability

FRAMES = ScoredFrames(
    scores=np.array([0.91, 0.97, 0.5, 1.0, 0.32, 0.38]),
    absent=np.array([False, False, False, False, True, True]),
    truth=np.array([0.8, 0.7, 0.5, 0.6, 0.0, 1.0]),
)


def test_bins_and_error() -> None:
    found, absent = by_presence(FRAMES).values()
    assert [one.frames for one in found.bins] == [1, 3]
    assert (found.bins[1].score, found.bins[1].truth) == pytest.approx((0.96, 0.7))
    assert found.error == pytest.approx(3 / 4 * 0.26)
    assert absent == Reliability(2, pytest.approx(0.15), (Bin(2, pytest.approx(0.35), 0.5),))


def test_scores_that_keep_their_word_have_no_error() -> None:
    scores = np.linspace(0, 1, 101)
    assert Reliability.of(ScoredFrames(scores, scores < 0, scores)).error == pytest.approx(0)
    assert Reliability.of(FRAMES.where(FRAMES.scores < 0)) == Reliability(0, None, ())


def test_files(tmp_path: Path) -> None:
    kinds = {"raw": FRAMES, "calibrated": FRAMES._replace(scores=FRAMES.scores**2)}
    write_reliability({"val": kinds}, tmp_path / "reliability.json")
    written = json.loads((tmp_path / "reliability.json").read_text())["val"]
    assert written["raw"]["found"]["frames"] == 4
    assert written["raw"]["found"]["error"] == pytest.approx(0.195)
    assert written["calibrated"]["absent"]["frames"] == 2
    draw_reliability(kinds, tmp_path / "reliability.png")
    draw_reliability({"raw": FRAMES.where(~FRAMES.absent)}, tmp_path / "found.png")
    both, found = (Image.open(tmp_path / name).convert("L") for name in ("reliability.png", "found.png"))
    assert both.width == 2 * found.width
    assert min(np.asarray(picture).std() for picture in (both, found)) > 10
