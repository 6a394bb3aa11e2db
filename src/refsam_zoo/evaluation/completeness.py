"""What is missing from a set of predictions, and what is in it that nobody asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
        folders: For each depth of folders, the highest first: what they are called, how many were asked for, and how
            many of these have any of their masks.
    """

    expected: int
    found: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    folders: tuple[tuple[str, int, int], ...] = ()

    @classmethod
    def of(cls, expected: Iterable[str], found: Iterable[str], levels: Sequence[str] = ()) -> Completeness:
        """Compares names such as `video/expression/frame`, with levels `("videos", "expressions")`."""
        wanted, there = set(expected), set(found)
        common = wanted & there
        missing, extra = _topmost(wanted - there, there), _topmost(there - wanted, wanted)
        folders = tuple(
            (level, len(_folders(wanted, depth)), len(_folders(common, depth)))
            for depth, level in enumerate(levels, start=1)
        )
        return cls(len(wanted), len(common), missing, extra, folders)

    @property
    def complete(self) -> bool:
        """Whether everything asked for is there, and nothing else."""
        return not self.missing and not self.extra

    def lines(self) -> list[str]:
        """Says everything, one item per line."""
        head = [f"{level} expected: {expected}, found: {found}" for level, expected, found in self._counts]
        return [*head, *(f"missing: {name}" for name in self.missing), *(f"extra: {name}" for name in self.extra)]

    @property
    def _counts(self) -> list[tuple[str, int, int]]:
        return [*self.folders, ("masks", self.expected, self.found)]

    def require(self, label: str, on_incomplete: OnIncomplete) -> None:
        """Refuses to go on unless complete, or unless incomplete predictions were declared to be meant.

        Raises:
            IncompleteError: Something is missing or extra.
        """
        if self.complete or on_incomplete == "empty":
            return
        kinds = (("missing", self.missing), ("not asked for", self.extra))
        parts = [", ".join(f"{found} of {expected} {level}" for level, expected, found in self._counts)]
        parts += [f"{len(names)} {kind}: {_shortened(names)}" for kind, names in kinds if names]
        raise IncompleteError(
            f"'{label}' has {'; '.join(parts)}; "
            "with on_incomplete 'empty' missing masks are scored as empty and the others ignored",
            self,
        )


def _topmost(names: set[str], others: set[str]) -> tuple[str, ...]:
    """Replaces names by the highest folder that holds none of the others."""
    occupied = {folder for name in others for folder in _parents(name)}
    return tuple(
        sorted({next((folder for folder in _parents(name) if folder not in occupied), name) for name in names})
    )


def _folders(names: set[str], depth: int) -> set[str]:
    """The folders at some depth: `a` at 1, `a/b` at 2 for `a/b/c`."""
    return {"/".join(name.split("/")[:depth]) for name in names}


def _parents(name: str) -> list[str]:
    """Folders above a name, the highest first: `a`, `a/b` for `a/b/c`."""
    parts = name.split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]


def _shortened(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
