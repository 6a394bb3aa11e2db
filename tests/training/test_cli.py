"""The life of a run: started twice, continued, moved, queued again, and tested twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from lightning.pytorch import LightningModule, Trainer

from refsam_zoo.callbacks.scores import EvaluationCallback
from refsam_zoo.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The J&F of the epochs to come, in place of the measured ones."""
    given: list[float] = []

    def log(self: EvaluationCallback, trainer: Trainer, pl_module: LightningModule) -> None:
        pl_module.log("val/jf", given[trainer.current_epoch])

    monkeypatch.setattr(EvaluationCallback, "on_validation_epoch_end", log)
    return given


def epoch_of(checkpoint: Path) -> int:
    epoch: int = torch.load(checkpoint, weights_only=True)["epoch"]
    return epoch


def test_a_run_started_twice_continued_and_moved(
    tiny_command: Callable[..., list[str]], scores: list[float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores += [0.5, 0.7, 0.6, 0.8]
    run = tmp_path / "runs" / "demo"
    assert main(tiny_command("fit", run, "--trainer.max_epochs=1")) == 0
    first = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main(tiny_command("fit", run, "--trainer.max_epochs=1")) == 0
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == first
    (second,) = (path for path in run.parent.iterdir() if path != run)
    assert f"The folder of this run is {second}: {run} holds an earlier run." in capsys.readouterr().out.splitlines()
    assert yaml.safe_load((second / "config.yaml").read_text())["trainer"]["default_root_dir"] == str(second)
    assert yaml.safe_load((second / "hparams.yaml").read_text())["config"]["data"]["class_path"].endswith("RefShapes")

    def resume(folder: Path, configured: Path, epochs: int) -> None:
        history = (folder / "metrics.csv").read_text()
        last = f"--ckpt_path={folder / 'checkpoints' / 'last.ckpt'}"
        assert main(tiny_command("fit", configured, f"--trainer.max_epochs={epochs}", last)) == 0
        assert (folder / "metrics.csv").read_text().startswith(history)
        assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
        assert epoch_of(folder / "checkpoints" / "last.ckpt") == epochs - 1

    resume(second, run, 2)  # as the configuration still says
    assert epoch_of(second / "checkpoints" / "best.ckpt") == 1
    moved = second.rename(tmp_path / "moved")
    resume(moved, moved, 3)
    assert epoch_of(moved / "checkpoints" / "best.ckpt") == 1, "the third epoch was worse"
    resume(moved, moved, 4)
    assert epoch_of(moved / "checkpoints" / "best.ckpt") == 3
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == first


def test_a_job_that_is_queued_again_goes_on(
    tiny_command: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    assert main(tiny_command("fit", run, "--trainer.max_epochs=1")) == 0
    shutil.copyfile(run / "checkpoints" / "last.ckpt", run / "hpc_ckpt_1.ckpt")
    history = (run / "metrics.csv").read_text()
    for name, value in {"NTASKS": "1", "JOB_NAME": "train", "JOB_ID": "77", "PROCID": "0", "LOCALID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert main(tiny_command("fit", run, "--trainer.max_epochs=2")) == 0
    assert epoch_of(run / "checkpoints" / "last.ckpt") == 1
    assert (run / "metrics.csv").read_text().startswith(history)
    assert list(tmp_path.iterdir()) == [run]


def test_reports_are_in_the_folder_of_the_run(
    tiny_command: Callable[..., list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    run = Path("run")
    assert main(tiny_command("fit", run, "--trainer.max_epochs=1")) == 0
    logger = ("--trainer.logger=CSVLogger", "--trainer.logger.save_dir=elsewhere")
    for more in ((), logger):
        assert main(tiny_command("test", run, "--ckpt_path=best", *more)) == 0
    assert {path.name for path in run.iterdir()} >= {"evaluation", "evaluation-2"}
    assert not list(Path("elsewhere").rglob("evaluation*"))

    summary = json.loads((run / "evaluation-2" / "summary.json").read_text())
    summary["subsets"]["test"] |= {"jf": 0.25, "j": 0.125, "f": 0.375}
    (run / "evaluation-2" / "summary.json").write_text(json.dumps(summary))
    Path("published.csv").write_text("system,data_set,jf,j,f,source\n")
    assert main(["leaderboard", "published.csv", "board.md", "--runs", "[run]"]) == 0
    assert "| 25.0 | 12.5 | 37.5 |" in Path("board.md").read_text()

    table = (run / "evaluation-2" / "per_expression.csv").read_text().splitlines()
    (run / "evaluation-2" / "per_expression.csv").write_text("\n".join(table[:2]) + "\n")
    capsys.readouterr()
    assert main(["compare", "run", str(run / "evaluation-2" / "per_expression.csv")]) == 0
    assert "| test | all | 1 |" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["best", "last", "hpc"])
def test_a_checkpoint_that_is_not_there(
    name: str, tiny_command: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(tiny_command("test", tmp_path / "run", f"--ckpt_path={name}")) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert f"{tmp_path / 'run'}/" in message
    assert "no such checkpoint" in message


def test_checkpoints_in_mid_epoch_in_the_precision_of_a_gpu(
    tiny_command: Callable[..., list[str]], tmp_path: Path
) -> None:
    saved = ("--last_checkpoint.every_n_train_steps=3", "--trainer.precision=bf16-mixed")
    steps = ("--data.epoch_length=4", "--data.batch_size=1", "--trainer.max_epochs=2", "--trainer.max_steps=7")
    assert main(tiny_command("fit", tmp_path, *steps, *saved)) == 0
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert (checkpoint["global_step"], checkpoint["epoch"]) == (6, 1)


def test_a_run_that_ends_with_its_time(
    tiny_command: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    endless = ("--trainer.max_epochs=-1", "--trainer.max_time=00:00:00:01", "--trainer.limit_val_batches=1")
    assert main(tiny_command("fit", tmp_path / "cosine", *endless)) == 2
    assert "a cosine schedule must know how long the run is: give --trainer.max_epochs" in capsys.readouterr().err
    assert main(tiny_command("fit", tmp_path / "constant", *endless, "--model.schedule.kind=constant")) == 0
