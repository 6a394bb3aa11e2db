"""The one exception that means "the input is wrong", as opposed to "the program is wrong"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave is wrong: a file, a key, a name, a value.

    The command line prints its message as a single line and exits with code 2, without a traceback. The message
    names the file or key, says what was wrong and what would be right. It is a `ValueError`, as Python programs expect
    of a wrong argument: where others are caught, let it through first.

    Args:
        message: Becomes one printable line, whatever was quoted from a file.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(map(_printable, message)))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else character.encode("unicode_escape").decode()


def nearest_name(name: str, valid: Iterable[str]) -> str:
    """Says which of the valid names was probably meant.

    Args:
        name: What the user wrote.
        valid: The names that would have been right.

    Returns:
        `"; did you mean 'X'? (valid: A, B, C)"`, without the question where nothing is close.
    """
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    question = f"; did you mean '{close[0]}'?" if close else ""
    return f"{question} (valid: {', '.join(names)})"
