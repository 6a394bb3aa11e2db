"""`refsam-zoo compare` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from refsam_zoo.cli import main
from refsam_zoo.evaluation.results import ExpressionResult, write_csv


def write_run(folder: Path, score: float) -> str:
    """A run with one score for six expressions about two videos, every other of them about motion."""
    results = [
        ExpressionResult(
            "test", f"video_{number % 2}", str(number), "words", 3, 1.0, score, score,
            {"kind": "motion" if number % 2 else "attribute"},
        )
        for number in range(6)
    ]  # fmt: skip
    (folder / "evaluation").mkdir(parents=True)
    write_csv(results, folder / "evaluation" / "per_expression.csv")
    return str(folder)


def test_differences_are_printed_in_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = write_run(tmp_path / "a", 0.5), write_run(tmp_path / "b", 0.55)
    assert main(["compare", first, second, "--samples=100"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"first: {first}",
        f"second: {second}",
        "",
        "| subset | kind | expressions | first | second | difference | 95 % interval | second is |",
        "|---|---|---:|---:|---:|---:|---:|---|",
        "| test | all | 6 | 50.0 | 55.0 | +5.0 | +5.0 to +5.0 | better |",
        "| test | attribute | 3 | 50.0 | 55.0 | +5.0 | +5.0 to +5.0 | better |",
        "| test | motion | 3 | 50.0 | 55.0 | +5.0 | +5.0 to +5.0 | better |",
    ]
    assert main(["compare", second, first, "--samples=100", "--unit=video"]) == 0
    assert "| test | all | 6 | 55.0 | 50.0 | -5.0 | -5.0 to -5.0 | worse |" in capsys.readouterr().out


def test_a_run_without_a_table_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", write_run(tmp_path / "a", 0.5), str(tmp_path / "absent")]) == 2
    assert "absent' cannot be read" in capsys.readouterr().err
