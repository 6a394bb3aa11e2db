"""Draws one chart per claim into docs/, and writes tables into the pages there, from what other benchmarks left."""

from __future__ import annotations

import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from measure import RESULTS

DOCS = Path("docs")
PAGES = ("performance.md", "scaling.md")
"""Pages with tables between marks."""
BLUE, ORANGE, GREY = "#2f6db5", "#d9822b", "#8a8f98"


def draw(result: dict[str, Any]) -> None:
    """Draws bars of each row's ratio with the goals, or lines where the rows are of series."""
    figure = draw_series(result["rows"]) if "series" in result["rows"][0] else draw_bars(result["rows"])
    where = result["circumstances"]
    figure.suptitle(result["claim"], fontsize=11)
    threads = result["options"]["threads"]
    told = f"{where['processor']}, {threads} threads, torch {where['torch']}, load {where['load']:.1f}"
    figure.text(0.99, 0.01, told, ha="right", fontsize=7, color=GREY)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(DOCS / f"benchmark_{result['name']}.png", dpi=120)
    plt.close(figure)


def draw_bars(rows: list[dict[str, Any]]) -> plt.Figure:
    figure, axes = plt.subplots(figsize=(7, 1 + 0.45 * len(rows)))
    places = range(len(rows))
    bars = axes.barh(places, [row["ratio"] for row in rows], color=BLUE, height=0.6)
    axes.bar_label(bars, [f"{row['ratio']:.2f}" for row in rows], padding=3, fontsize=8)
    for place, row in zip(places, rows, strict=True):
        if "goal" in row:
            axes.plot([row["goal"]] * 2, [place - 0.4, place + 0.4], color=ORANGE, linewidth=2)
    axes.set_yticks(places, [row["label"] for row in rows], fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    if any("goal" in row for row in rows):
        axes.set_xlabel("orange: the goal", fontsize=8)
    return figure


def draw_series(rows: list[dict[str, Any]]) -> plt.Figure:
    series = {name: list(points) for name, points in groupby(rows, key=lambda row: row["series"])}
    figure, grid = plt.subplots(2, len(series), figsize=(3 * len(series), 5), squeeze=False)
    for column, (name, points) in enumerate(series.items()):
        for axes, quantity in zip(grid[:, column], ("seconds", "peak_MiB"), strict=True):
            axes.plot([point["x"] for point in points], [point[quantity] for point in points], "o-", color=BLUE)
            top = 1.1 * max(point[quantity] for point in points)
            axes.set(ylim=(0, top), xlim=(0, None), ylabel=quantity.replace("_", " "))
            axes.spines[["top", "right"]].set_visible(False)
        grid[1, column].set_xlabel("parameters in millions" if name == "model" else name)
    return figure


def table(result: dict[str, Any]) -> str:
    """Writes the rows of a result as Markdown, with where and when they were measured."""
    columns = list(dict.fromkeys(column for row in result["rows"] for column in row))
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)]]
    lines += [[cell(row.get(column, "")) for column in columns] for row in result["rows"]]
    where = result["circumstances"]
    run = "{rounds} rounds, threads: {threads}".format(**result["options"])
    told = "{cores} cores of an {processor}, load {load:.1f}, torch {torch}, {date}, commit {commit}".format(**where)
    rows = [f"| {' | '.join(line).replace('_', ' ')} |" for line in lines]
    return "\n".join([*rows, "", f"*{result['claim'].capitalize()}; medians of {run}, {told}.*"])


def cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def write_table(result: dict[str, Any], page: Path) -> None:
    """Replaces what stands between `<!-- name -->` and `<!-- end of name -->` in a page, if that is there."""
    name, text = result["name"], page.read_text(encoding="utf-8")
    marks = re.compile(f"(?<=<!-- {name} -->\n).*?(?=<!-- end of {name} -->)", re.DOTALL)
    page.write_text(marks.sub(lambda _: f"\n{table(result)}\n\n", text), encoding="utf-8")


def main() -> None:
    mpl.use("Agg")
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        if "claim" in result:
            draw(result)
            for page in PAGES:
                write_table(result, DOCS / page)


if __name__ == "__main__":
    main()
