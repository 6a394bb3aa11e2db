"""Telling a data set by its tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from refsam_zoo import data_modules
from refsam_zoo.data_modules.base import ReferringDataModule
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral

_OFFERED: tuple[type, ...] = tuple(getattr(data_modules, name) for name in data_modules.__all__)
DATA_SETS: tuple[type[ReferringDataModule], ...] = tuple(
    offered for offered in _OFFERED if issubclass(offered, ReferringDataModule) and offered is not ReferringDataModule
)
"""Every data set that `data_modules` offers."""


@dataclass(frozen=True)
class RecognisedDataSet:
    """A data set on disk.

    Attributes:
        data_module: Its class.
        splits: Name of each split that is there -> its parser.
    """

    data_module: type[ReferringDataModule]
    splits: Mapping[str, Callable[[], list[Referral]]]


def recognise(root: str | Path) -> RecognisedDataSet:
    """Says which data set a folder holds, from the names of its files alone.

    Raises:
        InputError: The folder is missing or its tree is that of no data set.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder")
    found = {data_set: splits for data_set in DATA_SETS if (splits := data_set.splits(root))}
    contained = {inner for data_set in found for inner in data_set.contains}
    for data_set, splits in found.items():
        if data_set not in contained:
            return RecognisedDataSet(data_set, splits)
    known = ", ".join(data_set.__name__ for data_set in DATA_SETS)
    raise InputError(f"{root}: not the tree of a data set known here ({known}); docs/data shows what each looks like")
