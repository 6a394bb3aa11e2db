"""`refsam-zoo leaderboard`: the table of published and measured results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from refsam_zoo.evaluation.leaderboard import leaderboard as make_leaderboard
from refsam_zoo.evaluation.leaderboard import read_published
from refsam_zoo.output_files import write_whole


def leaderboard(published: str | Path, output: str | Path, *, runs: Sequence[str | Path] = ()) -> None:
    """Write the leaderboard: published results, checked, and runs on RefShapes.

    Args:
        published: CSV of published results.
        output: Markdown file, replaced as a whole.
        runs: Run folders to list.
    """
    write_whole(Path(output), make_leaderboard(read_published(published), runs).encode())
