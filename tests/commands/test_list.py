"""`refsam-zoo list` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest

from refsam_zoo.cli import main
from refsam_zoo.data_modules.recognition import DATA_SETS
from refsam_zoo.systems import SYSTEMS

PAGES = Path(__file__).parents[2] / "docs" / "data"


def test_the_table_is_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--pattern=vit_tiny", "--markdown"]) == 0
    header, rule, row = capsys.readouterr().out.strip().split("\n")
    assert header.count("|") == rule.count("|") == row.count("|") == 10
    assert "vit_tiny" in row


def test_a_card_says_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--pattern=vit_b", "--cards"]) == 0
    card = capsys.readouterr().out
    assert "### vit_b (image encoder)" in card
    assert "- parameters: 89 670 912" in card
    assert "- SHA-256: ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912" in card
    assert "- licence: Apache-2.0" in card
    assert "- paper: arXiv 2304.02643" in card
    assert "longer side resized to 1024 pixels" in card


def test_systems_say_what_they_cannot_do(capsys: pytest.CaptureFixture[str]) -> None:
    for name in SYSTEMS:
        assert main(["list", f"--pattern={name}"]) == 0
        assert SYSTEMS.card(name).limits in capsys.readouterr().out
        assert main(["list", f"--pattern={name}", "--cards"]) == 0
        assert f"- limits: {SYSTEMS.card(name).limits}\n" in capsys.readouterr().out
        assert SYSTEMS.card(name).limits


def test_the_table_of_data_sets_is_that_of_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--data", "--markdown"]) == 0
    table = capsys.readouterr().out
    assert table in (PAGES / "README.md").read_text(encoding="utf-8"), "refsam-zoo list --data --markdown prints it"


def test_data_sets_are_listed_with_their_pages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--data"]) == 0
    rows = capsys.readouterr().out.splitlines()
    for data_set in DATA_SETS:
        (row,) = (row for row in rows if f" {data_set.__name__} " in row)
        assert row.startswith(data_set.title)
        assert (PAGES / row.split()[-1].removeprefix("docs/data/")).is_file()
    assert main(["list", "--data", "--pattern=Me*"]) == 0
    assert [row.split()[1] for row in capsys.readouterr().out.splitlines()[1:]] == ["MeViS"]


def test_data_sets_have_no_cards(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--data", "--cards"]) == 2
    assert "--data has no cards" in capsys.readouterr().err
