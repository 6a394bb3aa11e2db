"""Two processes train as one with batches twice as large: the same losses, and the same weights but for rounding."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import TINY
from lightning.pytorch import Callback, LightningModule, Trainer
from training.learned_alike import assert_learned_alike, losses
from warm_process import WarmProcess, as_torchrun

from refsam_zoo.synthesis import synthesize
from refsam_zoo.training.cli import run_trainer

pytestmark = pytest.mark.slow

STEPS = 6
ALIKE = (
    "--data.epoch_length=12",
    "--data.expressions_per_clip=1",  # a mean over sentences is that over processes only where each has as many
    "--model.alignment.weight=0",  # weighs pixels by the objects of a whole batch
    "--trainer.limit_val_batches=0",
    f"--trainer.max_steps={STEPS}",
    "--trainer.max_epochs=-1",
    "--model.schedule.warmup_steps=0",
)


def nodes(count: int) -> list[dict[str, str]]:
    """The variables `torchrun` sets for processes on machines of their own; these machines are this one."""
    return [
        each | {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "GROUP_RANK": each["RANK"]} for each in as_torchrun(count)
    ]


def tasks(count: int) -> list[dict[str, str]]:
    """The variables SLURM's `srun` sets for tasks on one machine."""
    [first, *_] = ranks = as_torchrun(count)
    shared = {
        "SLURM_NTASKS": str(count), "SLURM_JOB_NAME": "train", "SLURM_JOB_ID": "7", "SLURM_NODELIST": "localhost",
        "SLURM_NODEID": "0", "SLURM_NTASKS_PER_NODE": str(count), "MASTER_PORT": first["MASTER_PORT"],
        "MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo", "SLURM_JOB_NUM_NODES": "1",
    }  # fmt: skip
    return [{**shared, "SLURM_PROCID": rank, "SLURM_LOCALID": rank} for rank in (each["RANK"] for each in ranks)]


@pytest.fixture(scope="module")
def train(tiny_command: Callable[..., list[str]], warm_process: WarmProcess) -> Callable[..., None]:
    def run(folder: Path, surroundings: list[dict[str, str]], *more: str) -> None:
        arguments = tiny_command("fit", folder, *ALIKE, *more)
        done = warm_process.run("-m", "refsam_zoo", *arguments, surroundings=surroundings)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="module")
def alone(train: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "alone"
    train(run, [{}], "--data.batch_size=4")
    return run


@pytest.mark.parametrize(
    ("surroundings", "where"),
    [
        (nodes, ["--trainer.devices=1", "--trainer.num_nodes=2"]),
        (tasks, ["--trainer.devices=2"]),
    ],
    ids=["two nodes by torchrun", "two tasks by SLURM"],
)
def test_two_processes_learn_as_one(
    surroundings: Callable[[int], list[dict[str, str]]],
    where: list[str],
    alone: Path,
    train: Callable[..., None],
    tmp_path: Path,
) -> None:
    run = tmp_path / "run"
    train(run, surroundings(2), "--data.batch_size=2", "--trainer.strategy=ddp", *where)
    [home] = [path.parent.parent for path in tmp_path.glob("run*/checkpoints/last.ckpt")]
    assert_learned_alike(alone, home, STEPS)


class Score(Callback):
    """Keeps the score of a validation."""

    found = float("nan")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.found = float(trainer.callback_metrics["val/jf"])


def test_a_process_may_have_fewer_clips_and_no_video(
    train: Callable[..., None], tiny_command: Callable[..., list[str]], tmp_path: Path
) -> None:
    """Clips are repeated until every process has as many; the one video is validated by the first process."""
    data, run = tmp_path / "data", tmp_path / "run"
    synthesize(data, replace(TINY, train_videos=1, val_videos=1, test_videos=1, motion_videos=0))
    where = (f"--data.root={data}", "--trainer.limit_val_batches=1.0", "--model.predictor.threshold=-9")  # finds a lot
    two = ("--trainer.strategy=ddp", "--trainer.devices=2", "--trainer.max_steps=-1", "--trainer.max_epochs=2")
    train(run, as_torchrun(2), *where, *two, "--data.epoch_length=5", "--data.batch_size=2")
    assert len(losses(run)) == 4
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        [*_, logged] = [float(row["val/jf"]) for row in csv.DictReader(file) if row["val/jf"]]
    checkpoint, score = run / "checkpoints" / "last.ckpt", Score()
    run_trainer(tiny_command("validate", tmp_path / "alone", *where, f"--ckpt_path={checkpoint}"), callbacks=[score])
    assert 0 < logged == pytest.approx(score.found, rel=1e-6)
