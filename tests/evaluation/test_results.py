from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

from refsam_zoo.evaluation import results
from refsam_zoo.evaluation.results import ExpressionResult, MeanScore


def _result(subset: str, number: int, j: float, f: float, **tags: str) -> ExpressionResult:
    return ExpressionResult(subset, "video", str(number), 'a "red" car, left', 10, 99.5, j, f, tags)


RESULTS = [
    _result("test", 0, 0.5, 0.75, kind="motion"),
    _result("test", 1, 0.75, 1.0, kind="attribute"),
    _result("test", 2, 0.25, 0.5, kind="motion"),
    _result("text_blind", 0, 0.25, 0.375),
]


def test_means_count_each_expression_once() -> None:
    score = MeanScore.of(RESULTS[:3])
    assert (score.expressions, score.j, score.f, score.jf) == (3, 0.5, 0.75, 0.625)
    assert math.isnan(MeanScore.of([]).jf)


def test_csv_keeps_full_precision_and_quotes(tmp_path: Path) -> None:
    results.write_csv([*RESULTS, _result("test", 3, 1 / 3, 0.1 + 0.2)], tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["j"]) == 1 / 3
    assert float(rows[-1]["f"]) == 0.1 + 0.2
    assert rows[0]["expression"] == 'a "red" car, left'
    assert [row["kind"] for row in rows] == ["motion", "attribute", "motion", "", ""]
    moving = replace(RESULTS[0], extent=1 / 7)
    results.write_csv([moving, RESULTS[1]], tmp_path / "table.csv")
    assert results.read_csv(tmp_path / "table.csv") == [moving, RESULTS[1]]


def test_summary_gives_kinds_and_the_gap(tmp_path: Path) -> None:
    results.write_json(RESULTS, tmp_path / "summary.json")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["subsets"]["test"]["kinds"]["motion"] == {
        "expressions": 2, "jf": 0.5, "j": 0.375, "f": 0.625, "presence": None, "absent_with_mask": None,
    }  # fmt: skip
    assert summary["gap_to_text_blind"] == 0.3125
    assert results.summary(RESULTS[:3])["gap_to_text_blind"] is None


def test_markdown_prints_points(tmp_path: Path) -> None:
    results.write_markdown(RESULTS, tmp_path / "summary.md")
    text = (tmp_path / "summary.md").read_text()
    assert "| test | 3 | 62.5 | 50.0 | 75.0 |" in text
    assert "| text_blind | 1 | 31.2 | 25.0 | 37.5 |" in text
    assert "+31.2 points" in text
    assert text.index("| attribute | 1 | 87.5 |") < text.index("| motion | 2 | 50.0 |")
