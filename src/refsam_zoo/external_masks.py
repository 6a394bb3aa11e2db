"""Masks of any system against a data set on disk: joins data sets and protocols, which do not know each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.evaluation.completeness import OnIncomplete
from refsam_zoo.number_types import PositiveInt

if TYPE_CHECKING:  # the help of `refsam-zoo evaluate` comes by here
    from refsam_zoo.data_modules.base import ReferringDataModule
    from refsam_zoo.evaluation.protocols import Evaluation
    from refsam_zoo.types import Referral

_OPTIONS: dict[str, dict[str, Any]] = {"grefcoco": {"dataset": "grefcoco"}, "mevis_v2": {"version": 2}}
"""What a data set needs to be told to be that of a protocol."""


def evaluate(
    predictions: str | Path,
    protocol: str,
    data: str | Path | Sequence[Referral],
    split: str | None = None,
    on_incomplete: OnIncomplete = "error",
    threads: PositiveInt = 1,
) -> Evaluation:
    """Scores a folder or zip of masks of any system.

    Args:
        predictions: Folder or zip of PNG masks; for images a JSON file of COCO results.
        protocol: `mevis`, `ref_youtube_vos`, `ref_davis17`, ...: whose rules to score by.
        data: Root of the data set, or what was asked as referrals; for images also a JSON file of COCO ground truth.
        split: What part of the data set at `data` was asked about, as in `refsam-zoo evaluate`; None is `test`.
        on_incomplete: `error` refuses predictions that are not exactly what was asked for; `empty` scores missing
            masks as empty ones and ignores the others.
        threads: Videos scored at a time.

    Returns:
        Totals, one row per expression, object or image, and what was missing; `markdown()` is its table.

    Raises:
        InputError: A name is unknown, predictions are incomplete or wrong, or the data set is not there.
    """
    from refsam_zoo.evaluation.protocols import get_protocol

    if isinstance(data, str | Path):
        data = _truth(protocol, Path(data), split)
    elif split is not None:
        raise InputError(f"split '{split}' goes with the root of a data set; referrals are what was asked already")
    return get_protocol(protocol).evaluate(Path(predictions), data, on_incomplete, threads)


def referrals_asked(protocol: str, data: str | Path, split: str) -> list[Referral]:
    """Reads what a protocol asks about a part of its data set.

    Args:
        protocol: One that asks for expressions, such as `mevis`.
        data: Root of the data set.
        split: `test`, `val`, `predict`, a hard test, or a split by the name that the data set gives it.

    Raises:
        InputError: The protocol asks for none, or the data set or the split is not there.
    """
    from refsam_zoo.evaluation.protocols import get_protocol

    get_protocol(protocol)
    data = Path(data)
    module = _data_module(protocol, data)
    splits, roles = module.splits(data), ("test", "val", "predict", *module.hard_tests())
    if split in roles:
        return module.referrals(split)
    if split not in splits:
        raise InputError(f"'{data}' has no split '{split}'{nearest_name(split, {*roles, *splits})}")
    return splits[split]()


def _data_module(protocol: str, data: Path) -> ReferringDataModule:
    """Opens the data set of a protocol; the rule of MeViS scores any that has expressions about videos."""
    from refsam_zoo.data_modules.mevis import MeViS
    from refsam_zoo.data_modules.recognition import DATA_SETS, recognise

    asking = {name: data_set for data_set in DATA_SETS for name in data_set.protocols}
    if protocol not in asking:
        raise InputError(f"protocol '{protocol}' does not ask for expressions; those that do: {', '.join(asking)}")
    if not data.is_dir():
        raise InputError(f"'{data}': the data root is missing")
    chosen = asking[protocol]
    options: dict[str, Any] = _OPTIONS.get(protocol, {})
    if protocol == "mevis" and MeViS.versions(data) == [1, 2]:
        options = {"version": 1}
    elif protocol == "mevis" and not (data / "valid_u").is_dir() and not (data / "valid").is_dir():
        chosen = recognise(data).data_module
    return chosen(data, **options)


def _truth(protocol: str, data: Path, split: str | None) -> Path | list[Referral]:
    from refsam_zoo.evaluation.protocols import AnnotatorsProtocol, LabelMapProtocol, get_protocol

    by_label = isinstance(get_protocol(protocol), LabelMapProtocol | AnnotatorsProtocol)
    if not by_label and data.is_dir():
        return referrals_asked(protocol, data, split or "test")
    if split is not None:
        raise InputError(f"'{data}' has no splits for protocol '{protocol}': leave out split")
    if not data.exists():
        raise InputError(f"'{data}': the data root is missing")
    return data
