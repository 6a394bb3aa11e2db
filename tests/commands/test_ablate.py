"""`refsam-zoo ablate` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from refsam_zoo.cli import main

MODULES = Path(__file__).parents[2] / "configs" / "ablations" / "modules"


def test_a_finished_row_is_only_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "modules" / "1_steps" / "mlp" / "seed_0"
    (run / "evaluation").mkdir(parents=True)
    (run / "evaluation" / "summary.json").write_text(json.dumps({"subsets": {"test": {"jf": 0.5}}}))
    (run / "cost.json").write_text(json.dumps({"learnable": 1, "parameters": 2, "seconds_per_frame": 0.1}))
    assert main(["ablate", str(MODULES), "--rows=[mlp]", "--seeds=1", "--steps=1", f"--output={tmp_path}"]) == 0
    results = tmp_path / "modules" / "1_steps" / "results.md"
    assert capsys.readouterr().out == f"{results}\n"
    assert "| MLP | 1 | 50.0 |" in results.read_text(encoding="utf-8")


def test_a_wrong_row_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ablate", str(MODULES), "--rows=[mpl]", f"--output={tmp_path}"]) == 2
    assert "no row 'mpl'; did you mean 'mlp'" in capsys.readouterr().err
