"""Options of `refsam-zoo fit` that change how a run is computed, how long it is and when it is saved."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from refsam_zoo.cli import main

DEMO = Path(__file__).parents[2] / "configs" / "demo.yaml"
pytestmark = pytest.mark.slow


def fit(data: Path, run: Path, *more: str) -> int:
    """Trains the demo's model for two epochs of four steps."""
    return main(
        [
            "fit",
            f"--config={DEMO}",
            f"--data.root={data}",
            "--data.synthesis=null",
            "--data.clip_frames=1",
            "--data.batch_size=1",
            "--data.epoch_length=4",
            "--data.workers=0",
            "--trainer.max_epochs=2",
            "--trainer.limit_val_batches=1",
            "--trainer.enable_progress_bar=false",
            f"--trainer.default_root_dir={run}",
            *more,
        ]
    )


def test_checkpoints_in_mid_epoch_in_the_precision_of_a_gpu(ref_shapes: Path, tmp_path: Path) -> None:
    saved = ("--last_checkpoint.every_n_train_steps=3", "--trainer.precision=bf16-mixed")
    assert fit(ref_shapes, tmp_path, *saved, "--trainer.max_steps=7") == 0
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert (checkpoint["global_step"], checkpoint["epoch"]) == (6, 1)


def test_a_run_that_ends_with_its_time(ref_shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    endless = ("--trainer.max_epochs=-1", "--trainer.max_time=00:00:00:01")
    assert fit(ref_shapes, tmp_path / "cosine", *endless) == 2
    assert "a cosine schedule must know how long the run is: give --trainer.max_epochs" in capsys.readouterr().err
    assert fit(ref_shapes, tmp_path / "constant", *endless, "--model.schedule.kind=constant") == 0
