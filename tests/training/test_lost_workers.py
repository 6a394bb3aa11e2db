"""Data workers that are killed, as the kernel does where memory runs out."""

from __future__ import annotations

import csv
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from refsam_zoo.cli import main
from refsam_zoo.training.module import ReferringSegmentation

pytestmark = pytest.mark.slow


def kill_workers_at(patch: pytest.MonkeyPatch, hook: str, call: int, number: int) -> None:
    """Sends every data worker a signal at a call of a method of the module."""
    method, calls = getattr(ReferringSegmentation, hook), []

    def wrapped(self: object, *args: object, **options: object) -> object:
        calls.append(hook)
        if len(calls) == call:
            workers = multiprocessing.active_children()
            assert workers
            for worker in workers:
                assert worker.pid is not None
                os.kill(worker.pid, number)
        return method(self, *args, **options)

    patch.setattr(ReferringSegmentation, hook, wrapped)


@pytest.mark.parametrize(("number", "name"), [(signal.SIGKILL, "Killed"), (signal.SIGSEGV, "Segmentation fault")])
def test_training_ends_with_a_line_and_goes_on_from_its_last_checkpoint(
    number: int,
    name: str,
    tiny_command: Callable[..., list[str]],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    arguments = tiny_command("fit", tmp_path, "--data.workers=2", "--data.epoch_length=100", "--trainer.max_epochs=-1")
    arguments += ["--trainer.limit_train_batches=4", "--trainer.max_steps=8"]
    with pytest.MonkeyPatch.context() as patch:
        kill_workers_at(patch, "training_step", 6, number)
        assert main(arguments) == 2
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("refsam-zoo: error: ")]
    assert len(errors) == 1
    assert "--data.workers" in errors[0]
    assert f"is killed by signal: {name}" in errors[0]
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 4
    steps = [int(row["step"]) for row in csv.DictReader((tmp_path / "metrics.csv").open()) if row["train/loss"]]
    assert steps[:4] == [0, 1, 2, 3]
    assert main([*arguments, "--ckpt_path=last"]) == 0
    assert torch.load(last, weights_only=True)["global_step"] == 8


def test_a_test_ends_with_a_line_and_without_scores(
    tiny_command: Callable[..., list[str]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(tiny_command("fit", tmp_path, "--trainer.max_epochs=1")) == 0
    checkpoint = f"--ckpt_path={tmp_path / 'checkpoints' / 'last.ckpt'}"
    with pytest.MonkeyPatch.context() as patch:
        kill_workers_at(patch, "test_step", 1, signal.SIGKILL)
        assert main(tiny_command("test", tmp_path, checkpoint, "--data.workers=2")) == 2
    assert "a data worker was lost" in capfd.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.glob("evaluation*"))
    assert main(tiny_command("test", tmp_path, checkpoint, "--data.workers=2")) == 0


def test_masks_handed_over_before_reach_the_disk(
    tiny_command: Callable[..., list[str]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(tiny_command("fit", tmp_path, "--trainer.max_epochs=1")) == 0
    checkpoint = f"--ckpt_path={tmp_path / 'checkpoints' / 'last.ckpt'}"
    with pytest.MonkeyPatch.context() as patch:
        kill_workers_at(patch, "predict_step", 2, signal.SIGKILL)
        assert main(tiny_command("predict", tmp_path, checkpoint, "--data.workers=2")) == 2
    assert "a data worker was lost" in capfd.readouterr().err.splitlines()[-1]
    masks = list((tmp_path / "masks").rglob("*"))
    assert [path for path in masks if path.suffix == ".png"]
    assert not [path for path in masks if path.name.startswith(".")]
