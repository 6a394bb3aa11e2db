"""What a protocol asks about a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from refsam_zoo.data_modules.base import ReferringDataModule
from refsam_zoo.data_modules.recognition import DATA_SETS, recognise
from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.types import Referral


def referrals_asked(protocol: str, data: str | Path, split: str) -> list[Referral]:
    """Reads what a protocol asks about a part of its data set.

    Args:
        protocol: One that asks for expressions, such as `mevis`.
        data: Root of the data set.
        split: `test`, `val`, `predict`, a hard test, or a split by the name that the data set gives it.

    Raises:
        InputError: The protocol asks for none, or the data set or the split is not there.
    """
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
    asking = {name: data_set for data_set in DATA_SETS for name in data_set.protocols}
    if protocol not in asking:
        raise InputError(f"protocol '{protocol}' does not ask for expressions; those that do: {', '.join(asking)}")
    if not data.is_dir():
        raise InputError(f"'{data}': the data root is missing")
    chosen = asking[protocol]
    options: dict[str, Any] = {"dataset": "grefcoco"} if protocol == "grefcoco" else {}
    if protocol == "mevis" and not (data / "valid_u").is_dir() and not (data / "valid").is_dir():
        chosen = recognise(data).data_module
    return chosen(data, **options)
