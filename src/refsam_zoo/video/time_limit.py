"""A limit on the time that a decoder may take: some files make one hang for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from refsam_zoo.errors import InputError

T = TypeVar("T")

_LOOKS = 60
"""How often within the limit the wait is interrupted."""


class TimeLimitError(InputError):
    """A decoder gave no sign of life; it may still be at work and must not be touched again."""


def within(
    seconds: float | None, action: Callable[[], T], what: str, progress: Callable[[], object] = lambda: None
) -> T:
    """Does something in a thread of its own and waits no longer than a given time for a sign of life.

    A thread that hangs inside a decoder cannot be ended; it is left behind and does not keep the process alive.
    Where the whole process stands still meanwhile (a laptop that sleeps, a machine that is moved), that is no fault of
    the decoder's: the wait is cut into pieces, and a pause of any length uses up one of them.

    Args:
        seconds: Longest wait for the end or for progress; None for no limit.
        action: What to do.
        what: What is being done, for the message.
        progress: Gives another value whenever the action has come further, such as the number of frames decoded.

    Returns:
        What the action returns; what it raises is raised here.

    Raises:
        TimeLimitError: The time is over.
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
    seen, left = progress(), _LOOKS
    thread.start()
    while thread.is_alive() and left:
        thread.join(seconds / _LOOKS)
        left -= 1
        if progress() != seen:
            seen, left = progress(), _LOOKS
    if errors:
        raise errors[0]
    if not results:
        raise TimeLimitError(f"{what}: no answer within {seconds:g} seconds; the file makes its decoder hang")
    return results[0]
