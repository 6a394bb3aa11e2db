"""Runs that are killed end as one that was not, bit for bit, when the same command is given again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from training.killed_runs import Runs
from warm_process import WarmProcess

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(
    warm_process: WarmProcess, tiny_command: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Runs:
    return Runs(warm_process, tmp_path_factory.mktemp("runs"), tiny_command)


@pytest.mark.parametrize(
    ("event", "number"),
    [("replace", -1), ("on_validation_batch_end", 3)],
    ids=["with the last checkpoint half-way in place", "amid a validation"],
)
def test_a_killed_run_ends_as_if_nothing_had_been(event: str, number: int, runs: Runs) -> None:
    fatal = [position for position, each in enumerate(runs.events[0], 1) if each == event][number]
    assert runs.differences(fatal) == []
