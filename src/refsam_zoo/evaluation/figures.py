"""Pictures of a run: its curves, and the frames it did worst, middling and best on."""

from __future__ import annotations

import csv
import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from refsam_zoo.evaluation.breakdowns import break_down
from refsam_zoo.evaluation.examples import Example
from refsam_zoo.evaluation.reliability import BINS, Reliability, ScoredFrames
from refsam_zoo.evaluation.results import ExpressionResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 110
_BAR_COLOUR = "#5b8db8"
_PREDICTION_COLOUR = "#ff7f0e"
_TRUTH_COLOUR = "#00e5ff"


def draw_examples(groups: Sequence[tuple[str, Sequence[Example]]], path: Path) -> None:
    """Draws one row per group, each frame with the outlines of prediction and ground truth under its sentence."""
    from matplotlib.lines import Line2D

    columns = max(len(examples) for _, examples in groups)
    aspect = float(np.median([np.divide(*example.mask.shape) for _, examples in groups for example in examples]))
    figure = _new_figure(4.0 * columns, (4.0 * aspect + 0.5) * len(groups) + 0.4)
    rows = figure.subplots(len(groups), columns, squeeze=False)
    for (name, examples), row in zip(groups, rows, strict=True):
        for axes in row:
            axes.set_axis_off()
        for example, axes in zip(examples, row, strict=False):
            _draw_example(axes, name, example)
    handles = [Line2D([], [], color=_PREDICTION_COLOUR, lw=2), Line2D([], [], color=_TRUTH_COLOUR, lw=2, ls="--")]
    figure.legend(handles, ["prediction", "ground truth"], loc="outside lower center", ncols=2, frameon=False)
    _save(figure, path)


def draw_worst(examples: Sequence[Example], path: Path, columns: int = 4) -> None:
    """Draws a contact sheet of failures, the worst first."""
    rows = [examples[start : start + columns] for start in range(0, len(examples), columns)]
    draw_examples([("worst", row) for row in rows], path)


def draw_breakdowns(results: Sequence[ExpressionResult], path: Path) -> None:
    """Draws the mean J&F of groups of expressions, with its 95 % interval and their number."""
    panels = {title: groups for title, groups in break_down(results).items() if groups}
    figure = _new_figure(4.4 * len(panels), 3.6)
    for axes, (title, groups) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        scores = [100 * np.array([result.jf for result in members]) for members in groups.values()]
        means = [values.mean() for values in scores]
        errors = [1.96 * values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else 0 for values in scores]
        axes.bar(range(len(groups)), means, yerr=errors, width=0.65, color=_BAR_COLOUR, ecolor="0.35", capsize=4)
        axes.set_xticks(range(len(groups)), [f"{name}\nn = {len(members)}" for name, members in groups.items()])
        axes.tick_params(axis="x", labelsize="small", length=0)
        axes.set(title=title, xlim=(-0.5, max(len(groups), 3) - 0.5), ylim=(0, 100), ylabel="J&F")
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def draw_curves(metrics_csv: Path, path: Path) -> bool:
    """Draws the losses and the J&F of a run over its steps.

    Args:
        metrics_csv: The file of Lightning's `CSVLogger`.
        path: The picture to write.

    Returns:
        Whether there was anything to draw.
    """
    curves = _read_curves(metrics_csv)
    panels = {
        "loss": {name: points for name, points in curves.items() if "loss" in name},
        "J&F": {name: points for name, points in curves.items() if name.endswith("/jf")},
    }
    panels = {title: lines for title, lines in panels.items() if lines}
    if not panels:
        return False
    figure = _new_figure(5.5 * len(panels), 3.6)
    for axes, (title, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for name, points in sorted(lines.items()):
            axes.plot(*zip(*points, strict=True), label=name, lw=1.5, marker="." if len(points) < 40 else "")
        axes.set(xlabel="step", title=title)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize="small")
    _save(figure, path)
    return True


def draw_reliability(kinds: Mapping[str, ScoredFrames], path: Path) -> None:
    """Draws what masks of a score are worth and, below, how many have it; on the diagonal scores keep their word.

    Args:
        kinds: Name of a kind of scores, such as `raw` -> frames. All are of the same frames.
        path: The picture to write.
    """
    absent = next(iter(kinds.values())).absent
    panels = {"mean region similarity J of masks": ~absent, "share with the target in them, of empty masks": absent}
    panels = {label: rows for label, rows in panels.items() if rows.any()}
    figure = _new_figure(4.6 * len(panels), 5.0)
    columns = figure.subplots(2, len(panels), squeeze=False, sharex=True, height_ratios=[3, 1]).T
    for (label, rows), (upper, lower) in zip(panels.items(), columns, strict=True):
        upper.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--")
        for name, frames in kinds.items():
            found = Reliability.of(frames.where(rows))
            points = [(one.score, one.truth) for one in found.bins]
            (line,) = upper.plot(*zip(*points, strict=True), marker="o", label=f"{name}, error {found.error:.3f}")
            lower.hist(frames.scores[rows], BINS, (0, 1), histtype="step", color=line.get_color(), lw=1.5)
        upper.set(ylabel=label, xlim=(0, 1), ylim=(0, 1))
        upper.legend(frameon=False, fontsize="small")
        lower.set(xlabel="score", ylabel="frames")
        for axes in (upper, lower):
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def _new_figure(width: float, height: float) -> Figure:
    """Makes a figure, sizes in inches, that knows nothing of windows or of other figures."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, layout="constrained")


def _save(figure: Figure, path: Path) -> None:
    """Writes a PNG file. `savefig` draws a figure with a layout twice."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).save(path, "PNG", dpi=(_DOTS_PER_INCH, _DOTS_PER_INCH))


def _draw_example(axes: Axes, group: str, example: Example) -> None:
    axes.imshow(example.frame)
    _outline(axes, example.prediction, _PREDICTION_COLOUR, "-")
    _outline(axes, example.mask, _TRUTH_COLOUR, "--")
    sentence = textwrap.shorten(example.expression.replace("$", r"\$"), 90, placeholder="…")
    # its height said, no ticks are laid out that it might run into: there are none
    axes.set_title("\n".join(textwrap.wrap(f"“{sentence}”", 48)), fontsize=9.5, y=1.0)
    label = f"{group} · J&F {100 * example.jf:.1f}"
    axes.text(0.015, 0.97, label, transform=axes.transAxes, va="top", fontsize=8.5, color="white", bbox=_LABEL_BOX)
    source = f"{example.video_id} / {example.frame_name}".replace("$", r"\$")
    axes.text(0.985, 0.03, source, transform=axes.transAxes, ha="right", fontsize=7, color="white", bbox=_LABEL_BOX)


_LABEL_BOX = {"boxstyle": "round,pad=0.3", "facecolor": "black", "edgecolor": "none", "alpha": 0.6}


def _outline(axes: Axes, mask: np.ndarray, colour: str, style: str) -> None:
    """Draws the outline of a mask, closed where it runs along the border of the image."""
    if not mask.any():
        return
    x, y = np.arange(-1, mask.shape[1] + 1), np.arange(-1, mask.shape[0] + 1)
    closed = np.pad(mask, 1).astype(float)
    axes.contour(x, y, closed, levels=[0.5], colors="black", linewidths=2.8, alpha=0.5)
    axes.contour(x, y, closed, levels=[0.5], colors=colour, linewidths=1.6, linestyles=style)


def _read_curves(metrics_csv: Path) -> dict[str, list[tuple[int, float]]]:
    """Reads name -> (step, value) pairs; cells a step did not log are empty.

    A run that was killed and continued from its checkpoint has logged some steps twice: the later counts.
    """
    curves: dict[str, dict[int, float]] = defaultdict(dict)
    with metrics_csv.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name, value in row.items():
                if value and name not in ("step", "epoch"):
                    curves[name][int(row["step"])] = float(value)
    return {name: sorted(points.items()) for name, points in curves.items()}
