"""Reading ahead and working behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from refsam_zoo.inference.background import BackgroundTasks, read_ahead


def test_items_come_in_order_and_some_are_read_before_they_are_asked_for() -> None:
    read: list[int] = []
    third = threading.Event()

    def source() -> Iterator[int]:
        for number in range(6):
            read.append(number)
            if number == 2:
                third.set()
            yield number

    items = read_ahead(source(), 2)
    assert next(items) == 0
    assert third.wait(60)
    assert list(items) == [1, 2, 3, 4, 5]
    assert read == [0, 1, 2, 3, 4, 5]


def test_closing_waits_for_the_item_being_read() -> None:
    begun, done = threading.Event(), []

    def source() -> Iterator[int]:
        yield 0
        begun.set()
        threading.Event().wait(0.05)
        done.append(True)
        yield 1

    items = read_ahead(source(), 1)
    assert next(items) == 0
    assert begun.wait(60)
    items.close()
    assert done == [True]


def test_an_error_comes_in_its_turn() -> None:
    def source() -> Iterator[int]:
        yield 0
        raise ValueError("damaged")

    items = read_ahead(source(), 3)
    assert next(items) == 0
    with pytest.raises(ValueError, match="damaged"):
        next(items)


def test_tasks_of_one_thread_run_in_order_and_all_of_them() -> None:
    found: list[int] = []
    with BackgroundTasks(threads=1, most_pending=3) as tasks:
        for number in range(50):
            tasks.submit(found.append, number)
    assert found == list(range(50))


def test_no_more_tasks_wait_than_allowed() -> None:
    release, second = threading.Event(), threading.Event()
    with BackgroundTasks(threads=1, most_pending=1) as tasks:
        tasks.submit(release.wait)

        def hand_over() -> None:
            tasks.submit(second.set)

        waiting = threading.Thread(target=hand_over)
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
        release.set()
        waiting.join(60)
    assert second.is_set()


def test_what_a_task_raises_comes_out() -> None:
    def fail() -> None:
        raise ValueError("disk full")

    with pytest.raises(ValueError, match="disk full"), BackgroundTasks(threads=1, most_pending=4) as tasks:
        tasks.submit(fail)
