"""What is measured of a run's first batches, and what is reckoned from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from refsam_zoo.cli import main
from refsam_zoo.training import plan as module
from refsam_zoo.training.plan import Calibration, Machines, Measured, measured_of, plan_for

RUN = Measured(
    device="cpu", seconds=2.0, waiting=0.5, weights=4000, learned=10**9, state=0, activations=0, batch=0, products=6,
    batches=100, epochs=3, accumulated=1, most_steps=-1,
)  # fmt: skip
"""100 batches of 2 s, three times; 4 GB of gradients."""


@pytest.mark.parametrize(
    ("run", "machines", "gpus", "steps", "seconds"),
    [
        (RUN, Machines(), 1, 300, 600.0),
        (RUN, Machines(network=1e9), 8, 39, 3 * 13 * 2.0),
        (RUN, Machines(speed=4, network=1e9), 8, 39, 3 * 13 * 0.5),
        (RUN, Machines(network=7), 8, 39, 3 * 13 * (2.0 + 1.0)),  # 7/8 of the gradients go twice: 7 GB
        (RUN, Machines(network=1e9), 512, 3, 3 * 2.0),
        (replace(RUN, accumulated=4), Machines(network=1e9), 8, 3 * 4, 3 * 13 * 2.0),
        (replace(RUN, most_steps=50), Machines(network=1e9), 1, 50, 100.0),
        (replace(RUN, most_steps=50, accumulated=2), Machines(network=1e9), 1, 50, 200.0),
    ],
    ids=["one", "eight", "faster", "slow network", "more than batches", "accumulated", "limited", "both"],
)
def test_the_reckoning(run: Measured, machines: Machines, gpus: int, steps: int, seconds: float) -> None:
    found = plan_for(run, replace(machines, price=3.0), gpus)
    assert found.steps == steps
    assert found.hours * 3600 == pytest.approx(seconds, rel=1e-3)
    assert found.price == pytest.approx(found.hours * gpus * 3)
    assert found.exchanged == pytest.approx(2 * (gpus - 1) / gpus * 4e9)


class Small(LightningModule):
    """A frozen layer, which keeps nothing, and a learned one, which keeps its input and that of the square."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen, self.learned = nn.Linear(6, 5, bias=False).requires_grad_(False), nn.Linear(5, 4, bias=False)

    def training_step(self, batch: Any, index: int) -> Tensor:
        return (self.learned(self.frozen(batch.frames)) ** 2).sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters())


def test_bytes_and_products_of_a_model_that_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Measured] = []

    def keep(*arguments: Any) -> Measured:
        seen.append(measured_of(*arguments))
        return seen[-1]

    monkeypatch.setattr(module, "measured_of", keep)
    batches = [SimpleNamespace(frames=torch.ones(3, 6)) for _ in range(6)]
    trainer = Trainer(
        accelerator="cpu", max_epochs=2, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path, callbacks=[Calibration(Machines(steps=2))],
    )  # fmt: skip
    with pytest.raises(module._Planned):
        trainer.fit(Small(), DataLoader(batches, batch_size=None))
    (found,) = seen
    assert (found.batches, found.epochs, found.learned) == (6, 2, 20)
    assert found.weights == 4 * (30 + 20)
    assert found.batch == 4 * 18
    assert found.activations == 4 * (3 * 5 + 3 * 4)
    assert found.state == 4 * 20 * 3 + 4  # gradients, two moments, and the number of the step
    assert found.products == 2 * 3 * (30 + 20 + 20)  # forwards, and backwards to the learned weights alone
    assert found.seconds > 0


def test_the_command(
    tiny_command: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = tiny_command("plan", tmp_path / "run", "--gpus=3", "--price=2.5")
    assert main([*arguments, "--steps=1", "--trainer.max_epochs=4"]) == 0
    said = capsys.readouterr().out
    assert "a batch took " in said
    rows = [line.split() for line in said.splitlines() if line[:1].isdigit()]
    assert [row[:3] for row in rows] == [["1", "12", "0.0"], ["3", "4", rows[1][2]]]
    assert float(rows[1][2]) > 0
    assert not (tmp_path / "run").exists()
    assert main([*arguments, "--steps=7"]) == 2
    assert "an epoch has 3 batches" in capsys.readouterr().err
    assert main([*arguments, "--gpsu=8"]) == 2
    assert "unknown option '--gpsu'; did you mean '--gpus'?" in capsys.readouterr().err
