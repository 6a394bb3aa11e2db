"""Work on a whole data set, spread over processes, with a progress bar."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import TypeVar

from typing_extensions import Self

Item = TypeVar("Item")
Result = TypeVar("Result")
_PICTURES_PER_PROCESS = 500
"""A process takes 0.4 s to start, a picture of 480p 2.6 ms to be read; this many pay also where cores are shared."""


def workers_that_pay(pictures: int) -> int:
    """How many processes to share work on so many pictures among: one per processor core, but none for little work."""
    return max(1, min(os.cpu_count() or 1, pictures // _PICTURES_PER_PROCESS))


class Processes:
    """Applies functions to items in several processes; a context manager.

    Args:
        workers: Processes; with 1 nothing is started and everything happens in this process.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item], lost: Callable[[Item], Result]
    ) -> Iterator[Result]:
        """Gives the results in the order of the items.

        Args:
            function: What to do with an item; errors it raises come through.
            items: Items, all of which are taken at once.
            lost: Result of an item at which the process died, as a decoder may at a damaged file.
        """
        if self.workers <= 1:
            yield from map(function, items)
            return
        waiting = deque(items)
        yield from self._until_one_dies(function, waiting)
        while waiting:
            # one of those under way was at fault: the first of them is tried alone, then all others again
            yield _alone(function, waiting.popleft(), lost)
            yield from self._until_one_dies(function, waiting)

    def _until_one_dies(self, function: Callable[[Item], Result], waiting: deque[Item]) -> Iterator[Result]:
        """Takes off those that are done."""
        try:
            pool = self._pool = self._pool or _start(self.workers)
            for future in [pool.submit(function, item) for item in waiting]:
                result = future.result()
                waiting.popleft()
                yield result
        except BrokenProcessPool:
            self._stop()

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()


def _start(workers: int) -> ProcessPoolExecutor:
    # spawn: forking a process that has loaded torch or OpenCV copies their thread pools in an unusable state
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _alone(function: Callable[[Item], Result], item: Item, lost: Callable[[Item], Result]) -> Result:
    with _start(1) as pool:
        try:
            return pool.submit(function, item).result()
        except BrokenProcessPool:
            return lost(item)


def progress(results: Iterator[Result], name: str, count: int, unit: str) -> Iterator[Result]:
    """Shows on standard error how many of `count` results have come."""
    from tqdm import tqdm

    return iter(tqdm(results, desc=name, total=count, unit=unit))
