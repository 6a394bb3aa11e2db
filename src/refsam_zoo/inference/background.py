"""Work beside the main thread: the next input while this one is computed, and output while the next is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

from typing_extensions import Self

T = TypeVar("T")
_END: Any = object()


def read_ahead(items: Iterable[T], count: int) -> Generator[T, None, None]:
    """Takes items in another thread, at most `count` of them before they are asked for.

    Closing the generator waits for the item being read, so that its source may be closed afterwards.

    Raises:
        Exception: What taking an item raised, when that item's turn comes.
    """
    source = iter(items)
    with ThreadPoolExecutor(1) as pool:
        pending = deque(pool.submit(next, source, _END) for _ in range(count))
        while (item := pending.popleft().result()) is not _END:
            pending.append(pool.submit(next, source, _END))
            yield item


class BackgroundTasks:
    """Runs functions in other threads, one thread in the order given; use it as a context manager.

    Args:
        threads: Threads.
        most_pending: Tasks that may wait or run; the next one waits for the first of them.
    """

    def __init__(self, threads: int, most_pending: int) -> None:
        self._pool = ThreadPoolExecutor(threads)
        self._pending: deque[Future[None]] = deque()
        self._most_pending = most_pending

    def submit(self, function: Callable[..., None], *arguments: object) -> None:
        """Hands over a call; what an earlier one raised comes out here or in `close`."""
        if len(self._pending) == self._most_pending:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(function, *arguments))

    def wait(self) -> None:
        """Waits for every task handed over; raises what one of them did."""
        while self._pending:
            self._pending.popleft().result()

    def close(self) -> None:
        """Waits for every task and ends the threads; raises what one of them did."""
        self._pool.shutdown()
        self.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._pool.shutdown()
