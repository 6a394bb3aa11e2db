"""Every composition learns in two processes what it learns in one with twice the batch, every parameter in use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from compositions import COMPOSITIONS
from torch import Tensor
from warm_process import WarmProcess, as_torchrun

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).with_name("small_compositions_learn.py")
"""Two steps: DDP says at the second which parameters had no part in the first."""

NAMES = [f"{path.parent.name}-{path.stem}" for path in COMPOSITIONS]


@pytest.fixture(scope="module")
def folder(warm_process: WarmProcess, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds what each composition learned."""
    folder = tmp_path_factory.mktemp("learned")
    done = warm_process.run(PROGRAM, folder, *COMPOSITIONS, surroundings=as_torchrun(2))
    assert done.returncode == 0, done.stderr
    return folder


def vector(weights: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([weight.flatten().double() for weight in weights.values()])


@pytest.mark.parametrize("number", range(len(COMPOSITIONS)), ids=NAMES)
def test_two_processes_learn_as_one(number: int, folder: Path) -> None:
    one, first, second = (
        torch.load(folder / f"{number}-{which}.pt", weights_only=True) for which in ("alone", "0", "1")
    )
    assert first["losses"] == second["losses"]
    assert first["losses"] == pytest.approx(one["losses"], rel=1e-5)
    weights = vector(one["end"])
    assert (weights - vector(one["start"])).norm() > 1e-4 * weights.norm()
    for process in (first, second):
        assert (weights - vector(process["end"])).norm() < 1e-5 * weights.norm()
    assert vector(first["end"]).equal(vector(second["end"]))
