from __future__ import annotations

import operator
import os
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from refsam_zoo.preparation.parallel import Processes, workers_that_pay

CALL = operator.methodcaller("__call__")


def lost(item: Callable[[], object]) -> str:
    return "lost"


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    with Processes(workers) as processes:
        for start in (0, 5):
            items = [partial(abs, -number) for number in range(start, start + 5)]
            assert list(processes.map(CALL, items, lost)) == list(range(start, start + 5))


def test_a_process_that_dies_costs_only_its_item() -> None:
    die: partial[Any] = partial(os._exit, 3)
    items = [partial(abs, -1), die, partial(abs, -2), die, partial(abs, -3)]
    with Processes(2) as processes:
        assert list(processes.map(CALL, items, lost)) == [1, "lost", 2, "lost", 3]
        assert list(processes.map(CALL, items[:1], lost)) == [1]


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_come_through(workers: int) -> None:
    with Processes(workers) as processes, pytest.raises(ZeroDivisionError):
        list(processes.map(CALL, [partial(divmod, 1, 0)], lost))


def test_little_work_is_done_without_starting_processes() -> None:
    assert workers_that_pay(0) == workers_that_pay(6 * 100) == 1
    assert workers_that_pay(10**7) == os.cpu_count()
