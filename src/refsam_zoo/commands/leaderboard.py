"""`refsam-zoo leaderboard`: the table of published and measured results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from refsam_zoo.evaluation.leaderboard import write_leaderboard


def leaderboard(published: str | Path, output: str | Path, *, runs: Sequence[str | Path] = ()) -> None:
    """Write the leaderboard: published results, checked, and runs on RefShapes.

    Args:
        published: CSV of published results.
        output: Markdown file, replaced as a whole.
        runs: Run folders to list.
    """
    write_leaderboard(published, output, runs)
