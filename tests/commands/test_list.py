"""`refsam-zoo list` as a user types it."""

from __future__ import annotations

import pytest

from refsam_zoo.cli import main
from refsam_zoo.systems import SYSTEMS


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
