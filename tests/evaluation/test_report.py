from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation import report
from refsam_zoo.evaluation.examples import Example
from refsam_zoo.evaluation.figures import draw_curves, draw_examples
from refsam_zoo.evaluation.results import ExpressionResult

ROWS = [ExpressionResult("test", "v", "0", "a car", 3, 1.0, 0.5, 0.5)]


def _metrics(path: Path) -> Path:
    path.write_text("epoch,step,train/loss,val/jf\n0,0,1.5,\n0,1,1.25,\n0,1,,0.5\n")
    return path


def test_report_with_curves(tmp_path: Path) -> None:
    folder = report.write_report(tmp_path / "evaluation", ROWS, metrics_csv=_metrics(tmp_path / "metrics.csv"))
    names = {path.name for path in folder.iterdir()}
    assert names == {"per_expression.csv", "summary.json", "summary.md", "curves.png", "breakdowns.png"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation", "metrics.csv"]


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,train/loss\n0,one\n")
    with pytest.raises(ValueError, match="one"):
        report.write_report(tmp_path / "evaluation", ROWS, metrics_csv=tmp_path / "metrics.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot write the folder '.*file/evaluation'"):
        report.write_report(tmp_path / "file" / "evaluation", ROWS)


def test_curves_need_something_to_draw(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,step,lr\n0,0,0.1\n")
    assert not draw_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    assert draw_curves(_metrics(tmp_path / "metrics.csv"), tmp_path / "curves.png")
    assert Image.open(tmp_path / "curves.png").size[0] > 1000


def test_examples_show_both_outlines_and_any_sentence(tmp_path: Path) -> None:
    frame, masks = np.full((90, 160, 3), 90, np.uint8), np.zeros((2, 90, 160), bool)
    masks[0, 20:60, 20:60] = masks[1, :30, 100:] = True
    example = Example(1, "v$1", "00000", "costs $5 and $6; " + "very " * 60 + "long", 0.25, frame, masks[0], masks[1])
    draw_examples([("worst", [example, example]), ("best", [example])], tmp_path / "examples.png")
    pixels = np.array(Image.open(tmp_path / "examples.png").convert("RGB")).reshape(-1, 3)
    for colour in ((255, 127, 14), (0, 229, 255)):
        assert (pixels == colour).all(axis=1).sum() > 200
