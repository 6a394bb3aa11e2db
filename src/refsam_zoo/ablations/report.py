"""The result of an ablation as a table and a picture, the paper's numbers beside it."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from refsam_zoo.output_files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CONTROL = "text_blind"
_COLOURS = ("#5b8db8", "#e39a4b", "#6aa66a", "#b56576", "#8d7bb8", "#8a8a8a")


@dataclass(frozen=True)
class Row:
    """A row of an ablation table.

    Attributes:
        name: Name of its configuration file.
        title: What a reader knows it by.
        paper: Name of a number of the paper -> the number as printed; empty where there is none.
    """

    name: str
    title: str
    paper: dict[str, str]


@dataclass(frozen=True)
class Run:
    """A trained and tested row with one seed.

    Attributes:
        row: Name of the row.
        seed: Name of the run's folder, `seed_0`, ...
        scores: Subset of RefShapes -> J&F in 0..1.
        learnable: Trained parameters.
        parameters: All parameters.
        seconds_per_frame: Time to segment a frame by one sentence, on the machine that measured.
    """

    row: str
    seed: str
    scores: dict[str, float]
    learnable: int
    parameters: int
    seconds_per_frame: float


def write_ablation(folder: Path, rows: Sequence[Row], runs: Sequence[Run]) -> None:
    """Writes `results.csv`, `results.md` and `results.png`, each whole or not at all.

    Args:
        folder: An existing folder.
        rows: The table's rows in their order; those without a finished run are shown as such.
        runs: Finished runs.
    """
    for suffix, write in ((".csv", _write_csv), (".md", _write_markdown), (".png", _draw)):
        with whole_file(folder / f"results{suffix}") as unfinished:
            write(unfinished, rows, runs)


def _subsets(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(subset for run in runs for subset in run.scores))


def _points(runs: Sequence[Run], row: Row, subset: str) -> np.ndarray:
    return np.array([100 * run.scores[subset] for run in runs if run.row == row.name and subset in run.scores])


def _write_csv(path: Path, rows: Sequence[Row], runs: Sequence[Run]) -> None:
    subsets = _subsets(runs)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "seed", *subsets, "learnable", "parameters", "seconds_per_frame"])
        for run in runs:
            scores = [run.scores.get(subset, "") for subset in subsets]
            writer.writerow([run.row, run.seed, *scores, run.learnable, run.parameters, run.seconds_per_frame])


def _write_markdown(path: Path, rows: Sequence[Row], runs: Sequence[Run]) -> None:
    subsets, papers = _subsets(runs), [name for name in rows[0].paper]
    header = ["composition", "seeds", *subsets, "learnable", "ms per frame", *(f"paper: {name}" for name in papers)]
    lines = [
        f"# {path.parent.parent.name.replace('_', ' ')}, {path.parent.name.replace('_', ' ')}",
        "",
        "J&F on RefShapes in points, mean ± standard deviation over the seeds, of a model with small encoders.",
        "The paper's numbers are of other data sets and of SAM's encoders: compare the order of the rows, not the",
        "levels.",
        "",
        "| " + " | ".join(header) + " |",
        "|---|" + "---:|" * (len(header) - 1),
    ]
    for row in rows:
        own = [run for run in runs if run.row == row.name]
        cells = [_spread(_points(runs, row, subset)) for subset in subsets]
        cost = [f"{own[0].learnable / 1e6:.2f} M", f"{1000 * min(r.seconds_per_frame for r in own):.0f}"] if own else []
        cells = [row.title, str(len(own)), *cells, *(cost or ["", ""]), *(row.paper[name] for name in papers)]
        lines.append("| " + " | ".join(cells) + " |")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _spread(points: np.ndarray) -> str:
    if not len(points):
        return ""
    return f"{points.mean():.1f}" + (f" ± {points.std(ddof=1):.1f}" if len(points) > 1 else "")


def _draw(path: Path, rows: Sequence[Row], runs: Sequence[Run]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    papers = [name for name in rows[0].paper if any(row.paper[name] for row in rows)]
    subsets = [subset for subset in _subsets(runs) if subset != CONTROL]
    figure = Figure(figsize=(2.5 + 1.3 * len(rows) * (2 if papers else 1), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2 if papers else 1, squeeze=False)[0]
    ours = {subset: [_points(runs, row, subset) for row in rows] for subset in subsets}
    _bars(panels[0], rows, ours)
    panels[0].set_title("RefShapes, small encoders; dots are seeds")
    panels[0].set_ylabel("J&F")
    if papers:
        printed = {n: [np.array([float(row.paper[n])] if row.paper[n] else []) for row in rows] for n in papers}
        _bars(panels[1], rows, printed)
        panels[1].set_title("the paper: other data sets, SAM's encoders")
    figure.savefig(path, dpi=110, format="png")


def _bars(axes: Axes, rows: Sequence[Row], series: dict[str, list[np.ndarray]]) -> None:
    width = 0.8 / max(1, len(series))
    for place, (name, values) in enumerate(series.items()):
        where = np.arange(len(rows)) - 0.4 + width * (place + 0.5)
        means = [points.mean() if len(points) else 0.0 for points in values]
        axes.bar(where, means, width=0.9 * width, color=_COLOURS[place % len(_COLOURS)], label=name)
        for x, points in zip(where, values, strict=True):
            if len(points) > 1:
                axes.scatter([x] * len(points), points, s=9, color="black", zorder=3)
    axes.set_xticks(range(len(rows)), [row.title.replace(" ", "\n") for row in rows], fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.2)  # room for the legend
    if series:
        axes.legend(loc="upper left", ncols=len(series), frameon=False, fontsize=8)
