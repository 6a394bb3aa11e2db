from __future__ import annotations

import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.completeness import Completeness

ASKED = [f"{video}/{expression}/{frame}" for video in "ab" for expression in "01" for frame in ("00", "05")]


def test_everything_there() -> None:
    completeness = Completeness.of(ASKED, reversed(ASKED), ("videos",))
    assert completeness.complete
    assert completeness.lines() == ["videos expected: 2, found: 2", "masks expected: 8, found: 8"]
    completeness.require("folder", "error")


def test_whole_folders_are_listed_once() -> None:
    found = [name for name in ASKED if not name.startswith("b/")]
    found.remove("a/0/05")
    found.remove("a/1/00")
    found.remove("a/1/05")
    completeness = Completeness.of(ASKED, [*found, "c/0/00", "c/1/00", "a/0/07", "a/9/00"])
    assert completeness.missing == ("a/0/05", "a/1", "b")
    assert completeness.extra == ("a/0/07", "a/9", "c")
    assert (completeness.expected, completeness.found) == (8, 1)
    assert completeness.lines()[1:3] == ["missing: a/0/05", "missing: a/1"]


def test_incomplete_predictions_are_refused_in_one_line() -> None:
    completeness = Completeness.of(ASKED, ["a/0/00", "x"], ("videos", "expressions"))
    with pytest.raises(
        InputError,
        match="has 1 of 2 videos, 1 of 4 expressions, 1 of 8 masks; 3 missing: a/0/05, a/1, b; 1 not asked for: x",
    ):
        completeness.require("folder", "error")
    completeness.require("folder", "empty")


def test_long_lists_are_shortened() -> None:
    asked = [f"v{number}" for number in range(100)]
    with pytest.raises(InputError, match=r"100 missing: v0, v1, v10, v11, v12, …;"):
        Completeness.of(asked, []).require("folder", "error")
