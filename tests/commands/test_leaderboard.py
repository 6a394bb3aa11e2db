"""`refsam-zoo leaderboard` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from refsam_zoo.cli import main


def test_the_leaderboard_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = tmp_path / "published.csv"
    published.write_text("system,data_set,jf,j,f,source\nOne,MeViS val,50.0,49.0,51.0,README\n")
    command = ["leaderboard", str(published), str(tmp_path / "leaderboard.md")]
    assert main(command) == 0
    assert "| One | 50.0 | 49.0 | 51.0 | README |" in (tmp_path / "leaderboard.md").read_text()
    assert main([*command, f"--runs=[{tmp_path / 'absent'}]"]) == 2
    assert "cannot be read" in capsys.readouterr().err
