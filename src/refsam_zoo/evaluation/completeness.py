"""What is missing from a set of predictions, and what is in it that nobody asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from refsam_zoo.errors import InputError

OnIncomplete = Literal["error", "empty"]
"""What to do about predictions that are not there: refuse to score, or score them as empty masks."""

_NAMED = 5


class IncompleteError(InputError):
    """Predictions are not exactly what was asked for.

    Attributes:
        completeness: Everything that is missing or extra; the message only has the counts and the first names.
    """

    def __init__(self, message: str, completeness: Completeness) -> None:
        super().__init__(message)
        self.completeness = completeness


@dataclass(frozen=True)
class Completeness:
    """Compares the masks that a data set asks for with those that were found.

    A whole folder that is missing (or was not asked for) is listed as that folder, not as its frames.

    Attributes:
        expected: Number of masks asked for.
        found: How many of them are there.
        missing: Folders (`video`, `video/expression`) and masks that are not.
        extra: Folders and masks that nobody asked for.
    """

    expected: int
    found: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]

    @classmethod
    def of(cls, expected: Iterable[str], found: Iterable[str]) -> Completeness:
        """Compares names such as `video/expression/frame`."""
        wanted, there = set(expected), set(found)
        missing = _topmost(wanted - there, there)
        return cls(len(wanted), len(wanted & there), missing, _topmost(there - wanted, wanted))

    @property
    def complete(self) -> bool:
        """Whether everything asked for is there, and nothing else."""
        return not self.missing and not self.extra

    def lines(self) -> list[str]:
        """Says everything, one item per line."""
        head = f"masks expected: {self.expected}, found: {self.found}"
        return [head, *(f"missing: {name}" for name in self.missing), *(f"extra: {name}" for name in self.extra)]

    def require(self, label: str, on_incomplete: OnIncomplete) -> None:
        """Refuses to go on unless complete, or unless incomplete predictions were declared to be meant.

        Raises:
            IncompleteError: Something is missing or extra.
        """
        if self.complete or on_incomplete == "empty":
            return
        kinds = (("missing", self.missing), ("not asked for", self.extra))
        parts = [f"{len(names)} {kind}: {_shortened(names)}" for kind, names in kinds if names]
        raise IncompleteError(
            f"'{label}' has {self.found} of {self.expected} masks; {'; '.join(parts)}; "
            "with on_incomplete 'empty' missing masks are scored as empty and the others ignored",
            self,
        )


def _topmost(names: set[str], others: set[str]) -> tuple[str, ...]:
    """Replaces names by the highest folder that holds none of the others."""
    occupied = {folder for name in others for folder in _parents(name)}
    return tuple(
        sorted({next((folder for folder in _parents(name) if folder not in occupied), name) for name in names})
    )


def _parents(name: str) -> list[str]:
    """Folders above a name, the highest first: `a`, `a/b` for `a/b/c`."""
    parts = name.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]


def _shortened(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
