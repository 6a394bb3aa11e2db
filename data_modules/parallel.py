"""Work on a whole data set, spread over processes, with a progress bar."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def mapping(workers: int, at_once: int = 1) -> Iterator[Any]:
    """Gives a lazy `map` in this process or over several.

    Args:
        workers: Processes; with 1 nothing is started.
        at_once: Items handed to a process together.
    """
    if workers <= 1:
        yield map
        return
    # spawn: forking a process that has loaded torch or OpenCV copies their thread pools in an unusable state
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield partial(pool.map, chunksize=at_once)
    finally:
        pool.shutdown(cancel_futures=True)


def progress(results: Iterator[T], name: str, count: int, unit: str) -> Iterator[T]:
    """Shows on standard error how many of `count` results have come."""
    from tqdm import tqdm

    return iter(tqdm(results, desc=name, total=count, unit=unit))
