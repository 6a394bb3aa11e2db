from __future__ import annotations

import io
import os
import pickle
from fractions import Fraction

import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision
from torch import nn
from torch.utils.data import DataLoader, Dataset

from refsam_zoo.private_parts.pytorch import (
    blocked_type,
    has_matrix_tiles,
    is_lost_worker,
    times_written,
    uncompiled_name,
    unscale_before_step,
)


def test_the_processor_is_asked_for_matrix_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda answer=answer: answer)  # which is there
        assert has_matrix_tiles() is answer
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert has_matrix_tiles() is False


def test_changes_of_a_tensor_are_counted_without_gradients_too() -> None:
    weight = nn.Parameter(torch.zeros(2))
    counts = [times_written(weight)]
    with torch.no_grad():
        weight.add_(1)
        counts.append(times_written(weight))
        weight[0] = 7
        counts.append(times_written(weight))
    assert counts == sorted(set(counts))


def test_gradients_are_unscaled_before_the_step() -> None:
    weight = nn.Parameter(torch.zeros(1))
    weight.grad = torch.full((1,), 8.0)
    optimizer = torch.optim.AdamW([weight], fused=True)
    precision = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))
    with pytest.raises(RuntimeError, match="clip"):
        precision.clip_gradients(optimizer, 1.0)
    unscale_before_step(optimizer)
    precision.clip_gradients(optimizer, 1.0)
    assert weight.grad.item() == pytest.approx(1, rel=1e-3)


def test_names_of_compiled_modules() -> None:
    module = nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.Linear(1, 1)))
    expected = list(module.state_dict())
    module[1][0] = torch.compile(module[1][0])
    names = list(torch.compile(module).state_dict())
    assert [uncompiled_name(name) for name in names] == expected != names


class Ending(Dataset[int]):
    """Ends the process that reads it."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        os._exit(1)


def test_a_lost_worker_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as lost:
        next(iter(DataLoader(Ending(), num_workers=1)))
    with pytest.raises(RuntimeError) as other:
        torch.zeros(2) @ torch.zeros(3)
    assert (is_lost_worker(lost.value), is_lost_worker(other.value)) == (True, False)


@pytest.mark.parametrize(("content", "expected"), [(Fraction(1, 2), "fractions.Fraction"), (None, None)])
def test_the_type_that_torch_refuses_is_named(content: Fraction | None, expected: str | None) -> None:
    file = io.BytesIO()
    torch.save({"value": content}, file)
    damaged = file.getvalue() if content else b"\x80\x02}."
    with pytest.raises((pickle.UnpicklingError, RuntimeError)) as error:
        torch.load(io.BytesIO(damaged), weights_only=True)
    assert blocked_type(error.value) == expected
