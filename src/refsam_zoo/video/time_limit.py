"""A limit on the time that a decoder may take: some files make one hang for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from refsam_zoo.errors import InputError

T = TypeVar("T")


def within(seconds: float | None, action: Callable[[], T], what: str) -> T:
    """Does something in a thread of its own and waits for it no longer than a given time.

    A thread that hangs inside a decoder cannot be ended; it is left behind and does not keep the process alive.

    Args:
        seconds: The limit; None for none.
        action: What to do.
        what: What is being done, for the message.

    Returns:
        What the action returns; what it raises is raised here.

    Raises:
        InputError: The time is over.
    """
    if seconds is None:
        return action()
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(action())
        except BaseException as error:  # raised again in the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise InputError(f"{what}: no answer within {seconds:g} seconds; the file makes its decoder hang")
    return results[0]
