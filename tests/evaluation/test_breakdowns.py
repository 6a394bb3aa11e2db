from __future__ import annotations

from pathlib import Path

from PIL import Image

from refsam_zoo.evaluation.breakdowns import break_down
from refsam_zoo.evaluation.figures import draw_breakdowns
from refsam_zoo.evaluation.results import ExpressionResult


def _result(words: int, area: float, frames: int, extent: float | None = None, **tags: str) -> ExpressionResult:
    return ExpressionResult("test", "v", "0", "word " * words, frames, area, 0.5, 0.7, tags, extent)


RESULTS = [
    _result(1, 0, 10),
    _result(3, 1024, 11, 0.05, kind="motion"),
    _result(4, 1025, 100, 0.06, kind="attribute"),
    _result(20, 9217, 5000, 0.5, kind="motion"),
]


def _sizes(title: str) -> dict[str, int]:
    return {name: len(members) for name, members in break_down(RESULTS)[title].items()}


def test_groups_have_their_bounds_inside() -> None:
    assert _sizes("words in the expression") == {"1-3": 2, "4-6": 1, "15+": 1}
    assert _sizes("size of the target") == {"absent": 1, "small": 1, "medium": 1, "large": 1}
    assert _sizes("motion of the target") == {"still": 1, "near": 1, "far": 1}
    assert _sizes("kind of the expression") == {"attribute": 1, "motion": 2}
    assert _sizes("frames of the video") == {"1-10": 1, "11-30": 1, "61-100": 1, "101+": 1}


def test_figure_has_a_panel_for_each_grouping(tmp_path: Path) -> None:
    draw_breakdowns(RESULTS, tmp_path / "five.png")
    draw_breakdowns(RESULTS[:1], tmp_path / "three.png")  # nothing is known of its kind, and it is never visible
    widths = [Image.open(tmp_path / name).size[0] for name in ("five.png", "three.png")]
    assert widths[0] * 3 == widths[1] * 5
