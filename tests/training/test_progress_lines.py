"""Lines of progress where there is no terminal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from refsam_zoo.training.progress_lines import ProgressLines


class _Module(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        loss = self.layer(batch).square().mean()
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.log("val/jf", 0.5)

    test_step = validation_step

    def predict_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.layer(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def run(command: str, folder: Path, seconds: float, capsys: pytest.CaptureFixture[str], **options: Any) -> list[str]:
    """The lines printed by a command over four batches, times left out."""
    quiet = {"logger": False, "enable_checkpointing": False, "enable_model_summary": False}
    trainer = Trainer(
        accelerator="cpu",
        callbacks=[ProgressLines(seconds)],
        default_root_dir=folder,
        enable_progress_bar=False,
        **quiet,
        **options,
    )
    loader = DataLoader(torch.ones(4, 2))  # type: ignore[arg-type]
    loaders = [loader, loader] if command == "fit" else [loader]
    more = {"verbose": False} if command in ("validate", "test") else {}
    capsys.readouterr()
    getattr(trainer, command)(_Module(), *loaders, **more)
    return [re.sub(r"\d+:\d\d", "T", line) for line in capsys.readouterr().out.splitlines()]


def test_each_epoch_of_a_short_run_has_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, *lines = run("fit", tmp_path, 3600.0, capsys, max_epochs=2)
    assert first == "training from step 0 to 8"
    assert len(lines) == 2
    for number, line in enumerate(lines, 1):
        assert re.match(rf"epoch {number}/2 done, step {4 * number}, train/loss [\d.e-]+, val/jf 0\.5, T", line)
    assert lines[0].endswith(", about T to go")


def test_a_long_epoch_has_lines_in_between(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = run("fit", tmp_path, 0.0, capsys, max_epochs=1, num_sanity_val_steps=0)
    assert lines[0] == "training from step 0 to 4"
    for number in (1, 2, 3):
        line = rf"epoch 1/1 batch {number}/4, step {number}, train/loss [\d.e-]+, T, about T to go"
        assert re.fullmatch(line, lines[number])
    assert lines[5] == "validate: batch 1/4, T"
    assert lines[-1].startswith("epoch 1/1 done, step 4, ")


@pytest.mark.parametrize("limit", [{"max_epochs": -1, "max_steps": 3}, {"max_epochs": 9, "max_steps": 3}])
def test_steps_may_be_what_ends_a_run(
    limit: dict[str, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fit", tmp_path, 3600.0, capsys, **limit)[0] == "training from step 0 to 3"


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_other_commands(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, tmp_path, 0.0, capsys) == [
        f"{command}: batch 1/4, T, about T to go",
        f"{command}: batch 2/4, T, about T to go",
        f"{command}: batch 3/4, T, about T to go",
        f"{command}: batch 4/4, T",
        f"{command}: 4 batches done, T",
    ]
    assert run(command, tmp_path, 3600.0, capsys) == [f"{command}: 4 batches done, T"]
