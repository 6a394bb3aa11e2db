"""Every switch of Lightning that people use, for a step or two of `fit`, and what must be true afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from refsam_zoo.checkpoints.restoring import load_model
from refsam_zoo.cli import main
from refsam_zoo.training.cli import run_trainer
from refsam_zoo.types import ClipBatch

TinyCommand = Callable[..., list[str]]
WATCHED = "model.mask_decoder.iou_token.weight"
"""A parameter that is trained."""


@dataclass
class Watch(Callback):
    """What happened in a run of two batches an epoch.

    Attributes:
        folder: The run's.
        batches: Sum of the pixels and sentences of each batch.
        gradients: Those of each batch, as the optimiser had them.
        weights: `WATCHED` after each batch.
        validated: Batches that were done before each validation.
        anomalies: Whether PyTorch looked for them in each batch.
        losses: Of each batch.
    """

    folder: Path
    batches: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    gradients: list[list[Tensor]] = field(default_factory=list)
    weights: list[Tensor] = field(default_factory=list)
    validated: list[int] = field(default_factory=list)
    anomalies: list[bool] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: ClipBatch, index: int) -> None:
        self.batches.append((int(batch.frames.sum()), tuple(batch.expressions)))
        self.anomalies.append(torch.is_anomaly_enabled())

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: ClipBatch, index: int
    ) -> None:
        self.gradients.append([part.grad.clone() for part in pl_module.parameters() if part.grad is not None])
        self.weights.append(pl_module.get_parameter(WATCHED).detach().clone())
        self.losses.append(float(outputs["loss"]))

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.validated.append(len(self.losses))

    def checkpoint(self, name: str = "last") -> dict[str, Any]:
        return torch.load(self.folder / "checkpoints" / f"{name}.ckpt", weights_only=True)

    @property
    def steps(self) -> int:
        return self.checkpoint()["global_step"]


def train(tiny_command: TinyCommand, watch: Watch, *options: str) -> Watch:
    short = ("--data.epoch_length=4", "--trainer.limit_val_batches=1", "--trainer.max_epochs=1")
    run_trainer(tiny_command("fit", watch.folder, *short, *options), callbacks=[watch])
    return watch


@pytest.fixture(scope="module")
def plain(tiny_command: TinyCommand, tmp_path_factory: pytest.TempPathFactory) -> Watch:
    """A run without any switch."""
    return train(tiny_command, Watch(tmp_path_factory.mktemp("plain")))


@pytest.fixture
def fit(tiny_command: TinyCommand, tmp_path: Path) -> Callable[..., Watch]:
    """Runs `fit` with further options."""

    def run(*options: str) -> Watch:
        return train(tiny_command, Watch(tmp_path), *options)

    return run


def test_without_any(plain: Watch) -> None:
    assert (len(plain.batches), plain.steps, plain.validated, plain.anomalies) == (2, 2, [2], [False, False])


@pytest.mark.parametrize(
    ("options", "batches", "steps", "validated"),
    [
        ("accumulate_grad_batches=2", 2, 1, [2]),
        ("val_check_interval=0.5", 2, 2, [1, 2]),
        ("val_check_interval=1", 2, 2, [1, 2]),
        ("limit_train_batches=1", 1, 1, [1]),
        ("limit_val_batches=0", 2, 2, []),
        ("max_steps=1", 1, 1, []),
        ("max_epochs=-1 max_steps=3", 3, 3, [2]),
    ],
)
def test_how_long_and_how_often(
    options: str, batches: int, steps: int, validated: list[int], fit: Callable[..., Watch]
) -> None:
    watch = fit(*(f"--trainer.{option}" for option in options.split()))
    assert (len(watch.batches), watch.steps, watch.validated) == (batches, steps, validated)
    assert (watch.folder / "checkpoints" / "best.ckpt").exists() == bool(validated)


@pytest.mark.parametrize("algorithm", ["norm", "value"])
def test_gradients_are_clipped(algorithm: str, fit: Callable[..., Watch]) -> None:
    watch = fit("--trainer.gradient_clip_val=0.01", f"--trainer.gradient_clip_algorithm={algorithm}")
    assert len(watch.gradients) == 2
    for parts in watch.gradients:
        gradient = torch.cat([part.flatten() for part in parts])
        size = gradient.norm() if algorithm == "norm" else gradient.abs().max()
        assert float(size) == pytest.approx(0.01, rel=1e-3)


def test_overfitting_sees_the_same_batch_in_every_epoch(fit: Callable[..., Watch]) -> None:
    watch = fit("--trainer.overfit_batches=1", "--trainer.max_epochs=3")
    assert len(watch.batches) == 3
    assert len(set(watch.batches)) == 1
    assert watch.steps == 3


def test_no_time_is_no_step(fit: Callable[..., Watch]) -> None:
    assert fit("--trainer.max_time=00:00:00:00").batches == []


def test_the_profile_is_written(fit: Callable[..., Watch], tmp_path: Path) -> None:
    fit("--trainer.profiler=SimpleProfiler", f"--trainer.profiler.dirpath={tmp_path}", "--trainer.profiler.filename=p")
    assert "run_training_batch" in (tmp_path / "fit-p.txt").read_text()


def test_anomalies_are_looked_for(fit: Callable[..., Watch]) -> None:
    assert fit("--trainer.detect_anomaly=true").anomalies == [True, True]
    assert not torch.is_anomaly_enabled()


def test_it_stops_early(fit: Callable[..., Watch]) -> None:
    early = "--trainer.callbacks=EarlyStopping", "--trainer.callbacks.monitor=val/jf", "--trainer.callbacks.mode=max"
    watch = fit(*early, "--trainer.callbacks.patience=1", "--trainer.callbacks.min_delta=2", "--trainer.max_epochs=4")
    assert watch.steps == 4


def test_checkpoints_hold_averaged_weights(fit: Callable[..., Watch]) -> None:
    watch = fit("--trainer.callbacks=EMAWeightAveraging", "--trainer.callbacks.decay=0.5")
    average = (watch.weights[0] + watch.weights[1]) / 2
    assert not torch.equal(watch.weights[0], watch.weights[1])
    torch.testing.assert_close(watch.checkpoint()["state_dict"][WATCHED], average)
    for name in ("best", "last"):
        model = load_model(watch.folder / "checkpoints" / f"{name}.ckpt")
        torch.testing.assert_close(model.get_parameter(WATCHED.removeprefix("model.")).detach(), average)


def test_compiled_it_learns_the_same_from_clips_of_any_length(
    tiny_command: TinyCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By PyTorch's own capture of graphs; the C++ that its compiler makes of them would take minutes."""
    graphs: list[nn.Module] = []

    def keep(graph: nn.Module, inputs: list[Tensor]) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend=keep))
    lengths = (
        "--data.clip_frames=[1,2,3]",
        "--trainer.max_epochs=3",
        "--data.epoch_length=2",
        "--model.image_encoder.image_size=32",
    )
    runs = [
        train(tiny_command, Watch(tmp_path / name), *lengths, f"--compile={name}", "--trainer.limit_val_batches=0")
        for name in ("false", "true")
    ]
    assert len(runs[1].losses) == 3
    assert runs[1].losses == pytest.approx(runs[0].losses, rel=1e-4)
    assert len(graphs) == 2  # of the first length, and of all others


@pytest.mark.parametrize(
    ("options", "instead"),
    [
        ("LearningRateFinder", "--model.learning_rates"),
        ("StochasticWeightAveraging --trainer.callbacks.swa_lrs=0.1", "EMAWeightAveraging"),
    ],
)
def test_what_would_be_lost_is_refused(
    options: str, instead: str, tiny_command: TinyCommand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tiny_command("fit", tmp_path, *f"--trainer.callbacks={options}".split())) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"refsam-zoo: error: --trainer.callbacks {options.split()[0]}: ")
    assert instead in error
