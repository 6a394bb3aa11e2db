"""Whether two runs learned the same: the same losses, and the same weights but for rounding."""

from __future__ import annotations

import csv
from pathlib import Path

import torch
from torch import Tensor


def losses(run: Path) -> Tensor:
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        return torch.tensor([float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]])


def weights(run: Path) -> dict[str, Tensor]:
    """What the last checkpoint holds of the model."""
    state: dict[str, Tensor] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return state


def distance(one: dict[str, Tensor], two: dict[str, Tensor]) -> float:
    """Length of the difference of all weights, as a share of the length of the first."""
    difference = sum(float((one[name].double() - two[name].double()).square().sum()) for name in one)
    return (difference / sum(float(weight.double().square().sum()) for weight in one.values())) ** 0.5


def assert_learned_alike(run: Path, other: Path, steps: int) -> None:
    assert len(losses(run)) == steps
    torch.testing.assert_close(losses(other), losses(run), rtol=1e-5, atol=0)
    assert distance(weights(run), weights(other)) <= 1e-5
