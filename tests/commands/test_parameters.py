"""The counts that the paper prints, and the table in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest

from refsam_zoo.cli import main

DOCUMENT = Path(__file__).parents[2] / "docs" / "parameters.md"
LEARNABLE = {
    "RefSAM ViT-B": 9_905_636,
    "RefSAM ViT-L": 19_165_412,
    "RefSAM ViT-H": 33_013_988,
    "version 1, ViT-B": 4_845_796,
    "version 1, ViT-L": 4_845_796,
    "version 1, ViT-H": 4_845_796,
    "released code with LoRA, ViT-B": 3_550_464 + 73_728 + 4_845_796 + 1_315_840,
    "LoRA instead of adapters, ViT-B": 9_905_636 - 3_550_464 + 73_728,
}
SAM = {"B": 93_735_472, "L": 312_342_832, "H": 641_090_608}


@pytest.mark.slow
def test_the_table_has_the_papers_counts_and_is_the_one_in_the_documentation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["parameters", "--markdown"]) == 0
    table = capsys.readouterr().out.strip()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    header, rows = cells[0], {row[0]: row for row in cells[2:]}
    number = {
        column: {title: int(row[header.index(column)].replace(" ", "")) for title, row in rows.items()}
        for column in ("SAM", "learnable")
    }
    assert number["learnable"] == LEARNABLE
    assert number["SAM"] == {title: SAM[title[-1]] for title in LEARNABLE}
    for title, row in rows.items():
        printed = row[header.index("paper")]
        if printed:  # the paper cuts digits off: 19.165 M is 19.1
            assert f"{LEARNABLE[title] // 100_000 / 10:.1f} M" == printed
    assert table in DOCUMENT.read_text(encoding="utf-8")
