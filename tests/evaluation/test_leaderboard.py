from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.leaderboard import PublishedResult, leaderboard, read_published, write_leaderboard
from refsam_zoo.evaluation.results import ExpressionResult, write_json

DOCS = Path(__file__).parents[2] / "docs"


def _published(jf: float, j: float | None = None, f: float | None = None) -> PublishedResult:
    return PublishedResult("system", "data", jf, j, f, "source")


def test_rounding_is_allowed_and_no_more() -> None:
    assert _published(67.6, 65.8, 69.4).fault is None
    assert _published(71.9, 68.4, 75.5).fault is None  # 71.95
    assert _published(60.1, 59.9, 60.1).fault is None
    assert _published(62.6, 59.9, 63.3).fault == "the mean of J 59.9 and F 63.3 is 61.60, not 62.6"
    assert _published(64.8, 61.6, 67.7).fault is not None  # 64.65
    assert _published(101.0).fault == "not between 0 and 100"
    assert _published(50.0).fault is None


def _write_run(folder: Path) -> None:
    (folder / "evaluation").mkdir(parents=True)
    rows = [ExpressionResult(subset, "v", "0", "words", 3, 1.0, 0.5, 0.75) for subset in ("test", "text_blind")]
    write_json(rows, folder / "evaluation" / "summary.json")


def test_published_and_measured_never_share_a_table(tmp_path: Path) -> None:
    _write_run(tmp_path / "demo")
    text = leaderboard([_published(60.0), _published(70.0, 1.0, 2.0)], [tmp_path / "demo"])
    measured, published = text.split("## Published by others")
    assert "| demo | test | 1 | 62.5 | 50.0 | 75.0 |" in measured
    assert "| system |" not in measured
    assert "| system | 60.0 |  |  | source |" in published
    assert "demo" not in published
    assert "| system | data | 70.0 | the mean of J 1.0 and F 2.0 is 1.50, not 70.0 | source |" in published


def test_results_that_sources_disagree_about_are_not_ranked() -> None:
    one, other = _published(60.0), replace(_published(61.0), source="other source")
    text = leaderboard([one, other, replace(one, system="second"), replace(one, data_set="more")], [])
    ranked, disputed = text.split("## Disputed")
    assert "| system | data | 60.0 | source |" in disputed
    assert "| system | data | 61.0 | other source |" in disputed
    assert "| second | 60.0 |" in ranked.split("### more")[0]
    assert "| system | 60.0 |" not in ranked.split("### more")[0]
    assert "| system | 60.0 |" in ranked.split("### more")[1]
    assert "Disputed" not in leaderboard([one, replace(one, source="other source")], [])


def test_results_that_contradict_themselves_are_refused(tmp_path: Path) -> None:
    _write_run(tmp_path / "demo")
    path = tmp_path / "demo" / "evaluation" / "summary.json"
    summary = json.loads(path.read_text())
    summary["subsets"]["test"]["jf"] += 0.01
    path.write_text(json.dumps(summary))
    with pytest.raises(InputError, match="the scores of test contradict each other"):
        leaderboard([], [tmp_path / "demo"])
    path.write_text("{}")
    with pytest.raises(InputError, match="is no summary of a run"):
        leaderboard([], [tmp_path / "demo"])
    with pytest.raises(InputError, match="cannot be read"):
        leaderboard([], [tmp_path / "absent"])


def test_published_tables_are_checked_for_form(tmp_path: Path) -> None:
    (tmp_path / "published.csv").write_text("system,data_set,jf,j,f,source\na,b,high,,,c\n")
    with pytest.raises(InputError, match="is no table of published results"):
        read_published(tmp_path / "published.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_published(tmp_path / "absent.csv")


def test_the_committed_leaderboard_is_what_is_written(tmp_path: Path) -> None:
    write_leaderboard(DOCS / "published_results.csv", tmp_path / "leaderboard.md")
    made, committed = (
        (path / "leaderboard.md").read_text().split("## Published by others")[1] for path in (tmp_path, DOCS)
    )
    assert made == committed
    disputed, rejected = committed.split("## Disputed")[1].split("## Rejected")
    assert disputed.count("| Sa2VA-8B | MeViS val |") == 3
    assert {line.split(" | ")[0].strip("| ") for line in rejected.splitlines()[6:] if line} == {
        "ReferFormer VSwin-T (joint)",
        "ReferFormer",
        "OnlineRefer Swin-L",
        "SAMWISE",
        "URVOS",
    }
    with pytest.raises(InputError, match="cannot be written"):
        write_leaderboard(DOCS / "published_results.csv", tmp_path / "leaderboard.md" / "x.md")
