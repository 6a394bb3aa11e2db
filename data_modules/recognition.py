"""Telling a data set by its tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from refsam_zoo.data_modules.a2d_sentences import A2DSentences
from refsam_zoo.data_modules.base import ReferringDataModule
from refsam_zoo.data_modules.jhmdb_sentences import JHMDBSentences
from refsam_zoo.data_modules.lv_vis import LVVIS
from refsam_zoo.data_modules.mevis import MeViS
from refsam_zoo.data_modules.ref_davis import RefDAVIS17
from refsam_zoo.data_modules.ref_sav import RefSAV
from refsam_zoo.data_modules.ref_shapes import RefShapes
from refsam_zoo.data_modules.refcoco import RefCOCO
from refsam_zoo.data_modules.refer_youtube_vos import ReferYouTubeVOS
from refsam_zoo.data_modules.referring_folder import ReferringFolder
from refsam_zoo.data_modules.revos import ReVOS
from refsam_zoo.data_modules.shards import Shards
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral

DATA_SETS: tuple[type[ReferringDataModule], ...] = (
    Shards,
    RefShapes,
    RefDAVIS17,
    ReferYouTubeVOS,
    MeViS,
    LVVIS,
    ReVOS,
    RefSAV,
    A2DSentences,
    JHMDBSentences,
    RefCOCO,
    ReferringFolder,
)
"""The first whose `splits` finds any is it, so that a layout comes after those that it contains."""


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
    for data_module in DATA_SETS:
        splits = data_module.splits(root)
        if splits:
            return RecognisedDataSet(data_module, splits)
    known = ", ".join(data_module.__name__ for data_module in DATA_SETS)
    raise InputError(f"{root}: not the tree of a data set known here ({known}); docs/data shows what each looks like")
