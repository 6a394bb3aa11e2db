"""What the field has published, checked by arithmetic, and beside it what was measured with this zoo."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.output_files import newest_folder, write_whole

ROUNDING = 0.1
"""How far a published J&F may be from the mean of J and F, in points, when each is rounded to one decimal."""

NOTES = {
    "Ref-YouTube-VOS valid": "Scored by a server; its ground truth is not public.",
    "Ref-DAVIS17 val": "Two evaluations are in use that give different numbers: tracks matched to the objects of each "
    "annotator (`ref_davis17`), and each expression alone (`ref_davis17_expressions`, VISA and systems after it). "
    "Sources do not say which.",
}
"""What a reader must know of a data set's numbers."""


@dataclass(frozen=True)
class PublishedResult:
    """A number as somebody printed it, in points of 100; J and F are None where only J&F is known."""

    system: str
    data_set: str
    jf: float
    j: float | None
    f: float | None
    source: str

    @property
    def fault(self) -> str | None:
        """What is wrong with the arithmetic; None if nothing is."""
        values = [value for value in (self.jf, self.j, self.f) if value is not None]
        if not all(0 <= value <= 100 for value in values):
            return "not between 0 and 100"
        if self.j is None or self.f is None:
            return None
        mean = (self.j + self.f) / 2
        if abs(mean - self.jf) > ROUNDING + 1e-9:
            return f"the mean of J {self.j} and F {self.f} is {mean:.2f}, not {self.jf}"
        return None


def read_published(path: str | Path) -> list[PublishedResult]:
    """Reads a CSV with the columns system, data_set, jf, j, f and source.

    Raises:
        InputError: The file is missing, a column is, or a value is no number.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [_published(row) for row in csv.DictReader(file)]
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"'{path}' is no table of published results: {error!r}") from error


def write_leaderboard(published: str | Path, output: str | Path, runs: Sequence[str | Path] = ()) -> None:
    """Writes the leaderboard.

    Args:
        published: CSV of published results.
        output: Markdown file, replaced as a whole.
        runs: Folders of runs on RefShapes; the last report of each counts.

    Raises:
        InputError: A table or a summary cannot be read, contradicts itself, or the output cannot be written.
    """
    write_whole(Path(output), leaderboard(read_published(published), runs).encode())


def leaderboard(published: Sequence[PublishedResult], runs: Sequence[str | Path]) -> str:
    """Makes the leaderboard as Markdown; published and measured numbers never share a table.

    Published results that fail the arithmetic, or that sources disagree about, stand in tables of their own.

    Args:
        published: What others printed.
        runs: Folders of runs on RefShapes; the last report of each counts.

    Raises:
        InputError: A run has no readable summary, or one whose numbers contradict each other.
    """
    lines = ["# Leaderboard", "", "Made by `refsam-zoo leaderboard`; edit the table of published results instead.", ""]
    lines += ["## Measured with this zoo on RefShapes", "", *_measured_table(runs), ""]
    lines += ["## Published by others", "", "In points, as printed; none was reproduced here.", ""]
    faulty = [row for row in published if row.fault is not None]
    disputed = _disputed([row for row in published if row.fault is None])
    sound = [row for row in published if row not in faulty and row not in disputed]
    for data_set in dict.fromkeys(row.data_set for row in published):
        lines += [f"### {data_set}", "", *([NOTES[data_set], ""] if data_set in NOTES else [])]
        lines += ["| system | J&F | J | F | source |", "|---|---:|---:|---:|---|"]
        ranked = sorted((row for row in sound if row.data_set == data_set), key=lambda row: -row.jf)
        lines += [*(_published_line(row) for row in ranked), ""]
    if disputed:
        lines += ["## Disputed", "", "One system on one data set, printed with different values; ranked nowhere.", ""]
        lines += ["| system | data set | J&F | source |", "|---|---|---:|---|"]
        lines += [*(f"| {row.system} | {row.data_set} | {row.jf} | {row.source} |" for row in disputed), ""]
    if faulty:
        lines += ["## Rejected", "", "J&F is the mean of J and F, which rounding moves by 0.1 at most.", ""]
        lines += ["| system | data set | J&F | fault | source |", "|---|---|---:|---|---|"]
        lines += [f"| {row.system} | {row.data_set} | {row.jf} | {row.fault} | {row.source} |" for row in faulty] + [""]
    return "\n".join(lines)


def _disputed(rows: Sequence[PublishedResult]) -> list[PublishedResult]:
    """Picks the results of which another source prints another J&F, those about one system together."""
    values: dict[tuple[str, str], set[float]] = {}
    for row in rows:
        values.setdefault((row.system, row.data_set), set()).add(row.jf)
    keys = [key for key, printed in values.items() if len(printed) > 1]
    return [row for key in keys for row in rows if (row.system, row.data_set) == key]


def _published(row: dict[str, str]) -> PublishedResult:
    j, f = (float(row[name]) if row[name] else None for name in ("j", "f"))
    return PublishedResult(row["system"], row["data_set"], float(row["jf"]), j, f, row["source"])


def _published_line(row: PublishedResult) -> str:
    parts = " | ".join("" if value is None else str(value) for value in (row.jf, row.j, row.f))
    return f"| {row.system} | {parts} | {row.source} |"


def _measured_table(runs: Sequence[str | Path]) -> list[str]:
    if not runs:
        return ["No run was given."]
    lines = ["| run | subset | expressions | J&F | J | F |", "|---|---|---:|---:|---:|---:|"]
    for run in map(Path, runs):
        for subset, scores in _read_summary(newest_folder(run / "evaluation") / "summary.json").items():
            points = " | ".join(f"{100 * scores[name]:.1f}" for name in ("jf", "j", "f"))
            lines.append(f"| {run.name} | {subset} | {scores['expressions']} | {points} |")
    return lines


def _read_summary(path: Path) -> dict[str, dict[str, float]]:
    try:
        subsets: dict[str, dict[str, float]] = json.loads(path.read_text(encoding="utf-8"))["subsets"]
        for subset, scores in subsets.items():
            in_range = all(0 <= scores[name] <= 1 for name in ("jf", "j", "f"))
            if not in_range or abs((scores["j"] + scores["f"]) / 2 - scores["jf"]) > 1e-12:
                raise InputError(f"'{path}': the scores of {subset} contradict each other")
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}") from error
    except InputError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"'{path}' is no summary of a run: {error!r}") from error
    return subsets
