"""Data workers that are killed, as the kernel does where memory runs out."""

from __future__ import annotations

import csv
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from warm_process import WarmProcess

from refsam_zoo.cli import main

pytestmark = pytest.mark.slow

# A process of its own: torch looks after workers from the first run on, and Lightning ends that with the run.
PROGRAM = """
import multiprocessing, os, sys
from multiprocessing.connection import wait
from refsam_zoo.cli import main
from refsam_zoo.training.module import ReferringSegmentation

hook, call, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
method, calls = getattr(ReferringSegmentation, hook), []

def wrapped(self, *args, **options):
    calls.append(hook)
    if len(calls) == call:
        worker = multiprocessing.active_children()[0]
        os.kill(worker.pid, number)
        wait([worker.sentinel], 60)  # what has been read ahead may be the rest
    return method(self, *args, **options)

setattr(ReferringSegmentation, hook, wrapped)
sys.exit(main(sys.argv[4:]))
"""


LosingAWorker = Callable[[str, int, int, list[str]], str]


@pytest.fixture
def losing_a_worker(warm_process: WarmProcess) -> LosingAWorker:
    """Gives a function: a method, its call at which a data worker gets a signal, a command -> its error line."""

    def lose(hook: str, call: int, number: int, arguments: list[str]) -> str:
        done = warm_process.run("-c", PROGRAM, hook, call, number, *arguments)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        _, *errors = done.stderr.split("refsam-zoo: error: ")
        assert len(errors) == 1
        assert errors[0].count("\n") == 1
        return errors[0]

    return lose


def test_training_ends_with_a_line_and_goes_on_from_its_last_checkpoint(
    tiny_command: Callable[..., list[str]], losing_a_worker: LosingAWorker, tmp_path: Path
) -> None:
    more = ("--data.workers=2", "--trainer.max_epochs=3", "--trainer.limit_val_batches=0")  # no other workers
    arguments = tiny_command("fit", tmp_path, *more)
    said = losing_a_worker("training_step", 5, signal.SIGSEGV, arguments)
    assert "--data.workers" in said
    assert "is killed by signal: Segmentation fault" in said
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == 3
    with (tmp_path / "metrics.csv").open(encoding="utf-8") as file:
        assert [row["step"] for row in csv.DictReader(file) if row["train/loss"]] == ["0", "1", "2", "3"]
    assert main([*arguments, "--ckpt_path=last"]) == 0
    assert torch.load(last, weights_only=True)["global_step"] == 9


def test_scores_are_written_whole_or_not_at_all_and_masks_as_far_as_they_are(
    tiny_command: Callable[..., list[str]], losing_a_worker: LosingAWorker, tmp_path: Path
) -> None:
    assert main(tiny_command("fit", tmp_path, "--trainer.max_epochs=1")) == 0
    more = (f"--ckpt_path={tmp_path / 'checkpoints' / 'last.ckpt'}", "--data.workers=2")
    said = losing_a_worker("test_step", 1, signal.SIGKILL, tiny_command("test", tmp_path, *more))
    assert said.startswith("a data worker was lost, ")
    assert not list(tmp_path.glob("evaluation*"))
    said = losing_a_worker("predict_step", 2, signal.SIGKILL, tiny_command("predict", tmp_path, *more))
    assert said.startswith("a data worker was lost, ")
    masks = list((tmp_path / "masks").rglob("*"))
    assert [path for path in masks if path.suffix == ".png"]
    assert not [path for path in masks if path.name.startswith(".")]
