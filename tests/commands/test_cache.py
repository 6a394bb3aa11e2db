"""`refsam-zoo cache`, and training with the features it leaves."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from refsam_zoo.caching.entries import EntryFolder
from refsam_zoo.checkpoints.restoring import load_model
from refsam_zoo.cli import main

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def fit(data: Path, run: Path, *more: str) -> list[float]:
    """Trains two epochs of the demo with frozen encoders; gives the losses."""
    arguments = [
        "fit",
        f"--config={CONFIGS / 'demo.yaml'}",
        "--model.tuner=frozen",
        f"--data.root={data}",
        "--data.synthesis=null",
        "--data.augmentation=null",
        "--data.clip_frames=2",
        "--data.epoch_length=4",
        "--data.workers=0",
        "--trainer.max_epochs=2",
        "--trainer.limit_val_batches=0",
        "--trainer.log_every_n_steps=1",
        "--trainer.enable_progress_bar=false",
        f"--trainer.default_root_dir={run}",
        *more,
    ]
    assert main(arguments) == 0
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        return [float(row["train/loss"]) for row in csv.DictReader(file) if row.get("train/loss")]


@pytest.mark.slow
def test_training_with_cached_features_has_the_same_losses(ref_shapes: Path, tmp_path: Path) -> None:
    cache = f"--model.feature_cache.folder={tmp_path / 'cache'}"
    plain = fit(ref_shapes, tmp_path / "plain")
    first = fit(ref_shapes, tmp_path / "first", cache)
    written = {entry.path: entry.used for entry in EntryFolder(tmp_path / "cache").entries()}
    second = fit(ref_shapes, tmp_path / "second", cache)
    assert set(EntryFolder(tmp_path / "cache").keys()) == {path.stem for path in written}
    assert second == first
    assert load_model(tmp_path / "second" / "checkpoints" / "last.ckpt").features is not None
    assert first == pytest.approx(plain, rel=2**-7)


@pytest.mark.slow
def test_the_command_fills_and_clears(ref_shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill = ["cache", str(tmp_path), f"--data={ref_shapes}", "--split=val", "--image_encoder=vit_tiny"]
    # random weights differ from run to run: the command has no seed, and needs none with a checkpoint
    assert main(fill) == 0
    assert "18 frames encoded, 0 were there" in capsys.readouterr().out
    assert len(EntryFolder(tmp_path).entries()) == 18
    assert main(["cache", str(tmp_path), "--clear"]) == 0
    assert capsys.readouterr().out.splitlines() == ["18 entries deleted", "0 entries, 0.00 GB"]


def test_mistakes_are_one_line(ref_shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, message in (
        (["--image_encoder=vit_tiny", "--split=trian"], "no split 'trian'; did you mean 'train'?"),
        (["--split=train"], "--image_encoder is missing"),
        (["--image_encoder=vit_tinny"], "unknown image encoder 'vit_tinny'; did you mean 'vit_tiny'?"),
    ):
        assert main(["cache", str(tmp_path / "cache"), f"--data={ref_shapes}", *more]) == 2
        assert message in capsys.readouterr().err


def test_what_an_encoder_finds_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Although `InputError` is a `ValueError`, which the parser catches to try the other types of a union."""
    options = ["--image_encoder", "vit_tiny", "--image_encoder.checkpoint", str(tmp_path / "none.pth")]
    assert main(["cache", str(tmp_path / "cache"), "--data", str(tmp_path), *options]) == 2
    assert "none.pth: no such weights file" in capsys.readouterr().err
