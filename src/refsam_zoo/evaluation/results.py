"""The table every number comes from: one row per expression, and what is averaged from it."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.presence import Presence, presence_scores

CONTROL_SUBSET = "text_blind"
"""The subset whose sentences were exchanged between videos: what a model scores without understanding them."""

_PRESENCE = tuple(presence_scores([]))


def sample_id(video_id: str, expression_id: str) -> int:
    """Names a sample by a number that every process finds by itself: 63 bits of a hash of its ids."""
    digest = hashlib.blake2b(f"{video_id}\0{expression_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@dataclass(frozen=True)
class ExpressionResult:
    """The score of one expression.

    Attributes:
        subset: Which part of the data set it belongs to.
        video_id: Name of the video.
        expression_id: Name of the expression, unique in the video.
        expression: The sentence the model was given.
        frames: Number of frames scored.
        area: Ground-truth pixels per frame.
        j: Region similarity averaged over the frames, 0..1.
        f: Contour accuracy averaged over the frames, 0..1.
        tags: Facts for breakdowns, for instance `{"kind": "motion"}`.
        extent: How far the target travels, see `motion.extent`; None where it is never visible or not known.
        presence: In how many frames the target is and was found; None where it was not counted.
    """

    subset: str
    video_id: str
    expression_id: str
    expression: str
    frames: int
    area: float
    j: float
    f: float
    tags: dict[str, str] = field(default_factory=dict)
    extent: float | None = None
    presence: Presence | None = field(default=None, compare=False)

    @property
    def jf(self) -> float:
        """J&F, the mean of J and F."""
        return (self.j + self.f) / 2


@dataclass(frozen=True)
class MeanScore:
    """J and F averaged over expressions, each counted once (the rule of MeViS and Ref-YouTube-VOS), 0..1."""

    expressions: int
    j: float
    f: float

    @property
    def jf(self) -> float:
        """J&F, the mean of J and F."""
        return (self.j + self.f) / 2

    @classmethod
    def of(cls, results: Sequence[ExpressionResult]) -> MeanScore:
        """Averages; not a number where there is nothing to average."""
        if not results:
            return cls(0, float("nan"), float("nan"))
        j, f = (float(np.mean(values)) for values in zip(*((result.j, result.f) for result in results), strict=True))
        return cls(len(results), j, f)


def by_subset(results: Iterable[ExpressionResult]) -> dict[str, list[ExpressionResult]]:
    """Groups results by subset, in order of appearance."""
    return _grouped((result.subset, result) for result in results)


def by_tag(results: Iterable[ExpressionResult], tag: str) -> dict[str, list[ExpressionResult]]:
    """Groups the results that carry a tag by its value, in alphabetical order."""
    return dict(sorted(_grouped((result.tags[tag], result) for result in results if tag in result.tags).items()))


def presences(results: Iterable[ExpressionResult]) -> list[Presence]:
    """The presence of the results that were counted, in their order."""
    return [result.presence for result in results if result.presence is not None]


def presence_columns(result: ExpressionResult) -> dict[str, float | None]:
    """Shares of an expression's frames by column; None where they are none."""
    return _known(presence_scores(presences([result])))


def _known(scores: dict[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in scores.items()}


def write_csv(results: Sequence[ExpressionResult], path: str | Path) -> None:
    """Writes one line per expression; scores in 0..1, in full precision."""
    path = Path(path)
    tags = sorted({tag for result in results for tag in result.tags})
    header = ["subset", "video_id", "expression_id", "expression", *tags]
    header += ["frames", "area", "extent", "j", "f", "jf", *_PRESENCE]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for result in results:
            ids = [result.subset, result.video_id, result.expression_id, result.expression]
            scores = [result.frames, result.area, result.extent, result.j, result.f, result.jf]
            scores += presence_columns(result).values()
            writer.writerow([*ids, *(result.tags.get(tag, "") for tag in tags), *scores])


def read_csv(path: str | Path) -> list[ExpressionResult]:
    """Reads what `write_csv` wrote.

    Raises:
        InputError: The file is missing or is no such table.
    """
    path = Path(path)
    columns = {"subset", "video_id", "expression_id", "expression", "frames", "area", "extent", "j", "f", "jf"}
    columns |= {*_PRESENCE}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        return [
            ExpressionResult(
                subset=row["subset"],
                video_id=row["video_id"],
                expression_id=row["expression_id"],
                expression=row["expression"],
                frames=int(row["frames"]),
                area=float(row["area"]),
                j=float(row["j"]),
                f=float(row["f"]),
                tags={name: value for name, value in row.items() if name not in columns and value},
                extent=float(row["extent"]) if row.get("extent") else None,
            )
            for row in rows
        ]
    except OSError as error:
        raise InputError(f"'{path}' cannot be read: {error.strerror}") from error
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"'{path}' is no table of expressions: {error!r}") from error


def summary(results: Sequence[ExpressionResult]) -> dict[str, object]:
    """Averages per subset, per kind within it, and the distance to the text-blind control; scores in 0..1."""
    subsets = {
        name: {
            **_score_entry(part),
            "kinds": {kind: _score_entry(members) for kind, members in by_tag(part, "kind").items()},
        }
        for name, part in by_subset(results).items()
    }
    return {"subsets": subsets, "gap_to_text_blind": gap_to_control(results)}


def gap_to_control(results: Sequence[ExpressionResult]) -> float | None:
    """J&F of the first subset minus that of the text-blind control, -1..1; None without a control."""
    groups = by_subset(results)
    if CONTROL_SUBSET not in groups:
        return None
    main = next(iter(groups.values()))
    return MeanScore.of(main).jf - MeanScore.of(groups[CONTROL_SUBSET]).jf


def write_json(results: Sequence[ExpressionResult], path: str | Path) -> None:
    """Writes `summary` as JSON."""
    path = Path(path)
    path.write_text(json.dumps(summary(results), indent=2) + "\n", encoding="utf-8")


def summary_table(results: Sequence[ExpressionResult]) -> list[str]:
    """Gives the lines of a table with a row per subset, in points of 100."""
    return _markdown_table("subset", by_subset(results))


def write_markdown(results: Sequence[ExpressionResult], path: str | Path) -> None:
    """Writes the summary as tables for reading; scores in points of 100, as papers print them."""
    path = Path(path)
    groups = by_subset(results)
    lines = ["# Evaluation", "", *summary_table(results)]
    gap = gap_to_control(results)
    if gap is not None:
        main = next(iter(groups))
        lines += ["", f"`{CONTROL_SUBSET}` is the same model asked with the sentences of other videos: what does not"]
        lines += [f"beat it has learned nothing of language. `{main}` is {100 * gap:+.1f} points away from it."]
    for name, part in groups.items():
        kinds = by_tag(part, "kind")
        if kinds:
            lines += ["", f"## {name} by kind", "", *_markdown_table("kind", kinds)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _grouped(pairs: Iterable[tuple[str, ExpressionResult]]) -> dict[str, list[ExpressionResult]]:
    groups: dict[str, list[ExpressionResult]] = {}
    for name, result in pairs:
        groups.setdefault(name, []).append(result)
    return groups


def _score_entry(results: Sequence[ExpressionResult]) -> dict[str, float | None]:
    score, presence = MeanScore.of(results), _known(presence_scores(presences(results)))
    return {"expressions": score.expressions, "jf": score.jf, "j": score.j, "f": score.f, **presence}


def _markdown_table(heading: str, groups: dict[str, list[ExpressionResult]]) -> list[str]:
    lines = [f"| {heading} | expressions | J&F | J | F |", "|---|---:|---:|---:|---:|"]
    for name, members in groups.items():
        score = MeanScore.of(members)
        points = " | ".join(f"{100 * value:.1f}" for value in (score.jf, score.j, score.f))
        lines.append(f"| {name} | {score.expressions} | {points} |")
    return lines
