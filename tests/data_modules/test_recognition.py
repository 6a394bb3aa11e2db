from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from formats.catalogue import FORMATS

from refsam_zoo import data_modules
from refsam_zoo.data_modules import ReferringDataModule
from refsam_zoo.data_modules.recognition import DATA_SETS, recognise
from refsam_zoo.types import Referral


def test_every_data_set_of_the_folder_is_offered() -> None:
    modules = [
        importlib.import_module(f"{data_modules.__name__}.{m.name}")
        for m in pkgutil.iter_modules(data_modules.__path__)
    ]
    written = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ReferringDataModule) and "title" in vars(value)
    }
    assert written == set(DATA_SETS)


def test_every_data_set_is_written_by_the_tests() -> None:
    assert {data_set for data_set, _ in FORMATS.values()} == set(DATA_SETS)


def test_a_protocol_asks_for_the_expressions_of_one_data_set() -> None:
    protocols = [name for data_set in DATA_SETS for name in data_set.protocols]
    assert len(set(protocols)) == len(protocols)


@pytest.mark.parametrize("name", FORMATS)
def test_a_tree_is_that_of_one_data_set_and_those_it_contains(
    name: str, shapes: Sequence[Referral], tmp_path: Path
) -> None:
    data_set, write = FORMATS[name]
    (tmp_path / "data").mkdir()
    write(tmp_path / "data", shapes)
    found = {other for other in DATA_SETS if other.splits(tmp_path / "data")}
    assert {data_set} <= found <= {data_set, *data_set.contains}
    assert recognise(tmp_path / "data").data_module is data_set
