from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.comparison import compare, compare_runs, paired_bootstrap
from refsam_zoo.evaluation.results import ExpressionResult, write_csv


def _table(shift: float, noise: float = 0.0) -> list[ExpressionResult]:
    """60 expressions about 10 videos."""
    random = np.random.default_rng(0)
    levels, noises = random.uniform(0.3, 0.7, 60), noise * np.random.default_rng(1).normal(size=60)
    table = []
    for number, score in enumerate((levels + shift + noises).tolist()):
        tags = {"kind": "motion" if number % 2 else "attribute"}
        table.append(ExpressionResult("test", str(number // 6), str(number), "words", 3, 1.0, score, score, tags))
    return table


def test_a_small_gain_everywhere_is_a_gain() -> None:
    differences = compare(_table(0), _table(0.02))
    assert list(differences) == [("test", "all"), ("test", "attribute"), ("test", "motion")]
    found = differences["test", "all"]
    assert found.expressions == 60
    assert found.low == pytest.approx(0.02)
    assert found.high == pytest.approx(0.02)
    assert found.verdict == "better"
    assert compare(_table(0.02), _table(0))["test", "all"].verdict == "worse"


def test_a_small_gain_under_noise_is_undecided() -> None:
    found = compare(_table(0), _table(0.01, noise=0.2))["test", "all"]
    assert found.low < 0 < found.high
    assert found.verdict == "undecided"


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        difference = random.normal(0.1, 1.0, 80)
        found = paired_bootstrap(
            np.zeros(80), difference, [str(number) for number in range(80)], samples=1000, seed=trial
        )
        hits += found.low <= 0.1 <= found.high
    assert 180 <= hits <= 199


def test_drawing_whole_videos_is_stricter_where_videos_differ() -> None:
    first, second = _table(0), _table(0)
    second = [replace(row, j=row.j + (0.1 if int(row.video_id) % 3 else -0.1)) for row in second]
    by_expression, by_video = (compare(first, second, unit=unit)["test", "all"] for unit in ("expression", "video"))
    assert by_video.high - by_video.low > 1.5 * (by_expression.high - by_expression.low)


def test_runs_asked_differently_are_not_compared() -> None:
    with pytest.raises(InputError, match="2 expressions only in the first, 0 only in the second, for instance test, 9"):
        compare(_table(0), _table(0)[:-2])


def test_the_tables_of_runs_are_found(tmp_path: Path) -> None:
    for name, shift in (("a", 0.0), ("b", 0.05)):
        (tmp_path / name / "evaluation").mkdir(parents=True)
        write_csv(_table(shift), tmp_path / name / "evaluation" / "per_expression.csv")
    (tmp_path / "b" / "evaluation").rename(tmp_path / "b" / "evaluation-2")
    (tmp_path / "a" / "evaluation-2").mkdir()
    write_csv(_table(0.1), tmp_path / "a" / "evaluation-2" / "per_expression.csv")
    newest = compare_runs(tmp_path / "a", tmp_path / "b", samples=200)["test", "all"]
    assert (newest.low, newest.high) == (pytest.approx(-0.05), pytest.approx(-0.05))
    assert newest.verdict == "worse"
    named = compare_runs(tmp_path / "a" / "evaluation", tmp_path / "b" / "evaluation-2", samples=200)["test", "all"]
    assert named.expressions == 60
    assert named.second - named.first == pytest.approx(0.05)
    assert named.verdict == "better"
    with pytest.raises(InputError, match="absent' cannot be read"):
        compare_runs(tmp_path / "a", tmp_path / "absent")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="is no table of expressions"):
        compare_runs(tmp_path / "a", tmp_path / "other.csv")
