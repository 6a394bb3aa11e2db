"""Runs that are killed (SIGKILL) at any of the events of training, and go on: do they end as one that was not?

As a program it kills runs at random events in every arrangement of processes and workers:

    OMP_NUM_THREADS=1 python tests/training/killed_runs.py FOLDER --kills 20
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # in a process of its own the tests' folder is not known

from warm_process import DEMO, WarmProcess, as_torchrun

PROGRAM = """
import os, signal, sys
from refsam_zoo.callbacks.scores import EvaluationCallback
from refsam_zoo.cli import main
from refsam_zoo.training.checkpoint_files import WholeCheckpoints
from refsam_zoo.training.module import ReferringSegmentation
from refsam_zoo.training.run_logger import RunLogger
from torch.optim import AdamW

events, fatal, rank = sys.argv[1], int(sys.argv[2]), sys.argv[3]
own_rank = os.environ.get("RANK", "0")
POINTS = [
    (ReferringSegmentation, "training_step"), (AdamW, "step"), (EvaluationCallback, "on_validation_batch_end"),
    (RunLogger, "save"), (WholeCheckpoints, "save_checkpoint"), (os, "fsync"), (os, "replace"),
]
first, seen = os.getpid(), []

def count(name):
    if os.getpid() != first:
        return  # a data worker
    seen.append(name)
    if len(seen) == fatal and own_rank == rank:
        os.kill(first, signal.SIGKILL)

def watch(owner, name):
    function = getattr(owner, name)

    def watched(*args, **options):
        count(name)
        result = function(*args, **options)
        count(f"{name} done")
        return result

    setattr(owner, name, watched)

for owner, name in POINTS:
    watch(owner, name)
code = main(sys.argv[4:])
with open(events + own_rank, "w") as file:
    file.write("\\n".join(seen))
sys.exit(code)
"""
"""Arguments: files for the events' names, to which the rank is added, number and rank of the fatal one, a command."""

ARRANGEMENTS = [{"processes": processes, "workers": workers} for processes in (1, 2) for workers in (0, 1, 2)]


class Runs:
    """Trains one tiny model again and again, in epochs of three steps with checkpoints within and between them.

    Args:
        warm_process: Where runs are made.
        folder: For run folders.
        command: Arguments of `fit`, given the run folder and further options.
        processes: How many a run has.
        workers: How many data workers each has.
    """

    def __init__(
        self,
        warm_process: WarmProcess,
        folder: Path,
        command: Callable[..., list[str]],
        processes: int = 1,
        workers: int = 0,
    ) -> None:
        self.warm_process, self.folder, self.command = warm_process, folder, command
        self.processes, self.workers = processes, workers
        self.whole = folder / "whole"
        self.run(self.whole)
        self.events = [(folder / f"events{rank}").read_text().splitlines() for rank in range(processes)]

    def run(self, run: Path, fatal: int = 0, rank: int = 0) -> None:
        """Trains with the same command every time, to an event of one of the processes or to the end."""
        arguments = self.command(
            "fit",
            run,
            f"--data.workers={self.workers}",
            f"--data.epoch_length={6 * self.processes}",
            "--trainer.max_epochs=2",
            "--trainer.limit_val_batches=2",
            "--last_checkpoint.every_n_train_steps=2",
            "--last_checkpoint.save_on_train_epoch_end=true",
            f"--trainer.devices={self.processes}",
            "--ckpt_path=last",
        )
        surroundings = as_torchrun(2) if self.processes == 2 else [{}]
        done = self.warm_process.run(
            "-c", PROGRAM, self.folder / "events", fatal, rank, *arguments, surroundings=surroundings
        )  # fmt: skip
        assert (done.returncode == 0) == (fatal == 0), done.stdout + done.stderr

    def differences(self, fatal: int, rank: int = 0) -> list[str]:
        """Kills a run at an event, continues it by the same command and compares it with one that was never killed."""
        run = self.folder / f"killed-{fatal}-{rank}"
        self.run(run, fatal, rank)
        for path in run.rglob("checkpoints/*.ckpt"):
            torch.load(path, weights_only=True)  # whole, or it raises
        self.run(run)
        # where there was no checkpoint yet, the second start is a run of its own
        [home] = [each.parent.parent for each in self.folder.glob(f"{run.name}*/checkpoints/last.ckpt")]
        unequal = (
            [] if home.joinpath("metrics.csv").read_bytes() == (self.whole / "metrics.csv").read_bytes() else ["csv"]
        )
        for name in ("best.ckpt", "last.ckpt"):
            ends = [named_values(each / "checkpoints" / name, each) for each in (home, self.whole)]
            differing = [key for key in ends[0] | ends[1] if not same(*(end.get(key) for end in ends))]
            unequal += [key for key in differing if not key.endswith("/current_score")]  # Lightning never reads it
        unequal += [str(path) for path in home.rglob(".*.ckpt")]
        return unequal


def named_values(checkpoint: Path, run: Path) -> dict[str, Any]:
    """All that a checkpoint holds by its place in it: weights, moments, schedule, progress, sampler, best score."""

    def flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict):
            for name, part in value.items():
                yield from flat(part, f"{key}/{name}".replace(str(run), "RUN"))
        elif isinstance(value, list | tuple):
            yield from flat(dict(enumerate(value)), key)
        else:
            yield key, value.replace(str(run), "RUN") if isinstance(value, str) else value

    return dict(flat(torch.load(checkpoint, weights_only=True), checkpoint.name))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return bool(one == other)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for data and runs")
    parser.add_argument("--kills", type=int, default=20, help="in all, dealt out over all arrangements in turn")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arrangements", type=int, nargs="*", default=range(len(ARRANGEMENTS)), help="of six, all")
    options = parser.parse_args(arguments)
    chance, warm_process, wrong = random.Random(options.seed), WarmProcess(), 0
    root = options.folder / "data"
    os.environ.pop("RANK", None)

    def command(name: str, run: Path, *more: object) -> list[str]:
        return [
            name, f"--config={DEMO}", f"--data.root={root}", "--data.batch_size=2", "--trainer.log_every_n_steps=1",
            "--data.synthesis=" + json.dumps({"train_videos": 6, "val_videos": 3, "image_size": 64, "frames": 6}),
            "--trainer.enable_model_summary=false", f"--trainer.default_root_dir={run}", *map(str, more),
        ]  # fmt: skip

    for turn in options.arrangements:
        arrangement = ARRANGEMENTS[turn]
        runs = Runs(warm_process, options.folder / f"{turn}", command, **arrangement)
        for _ in range(turn, options.kills, len(ARRANGEMENTS)):
            rank = chance.randrange(arrangement["processes"])
            fatal = chance.randint(1, len(runs.events[rank]))
            unequal = runs.differences(fatal, rank)
            wrong += bool(unequal)
            where = f"rank {rank} killed at event {fatal} of {len(runs.events[rank])}, {runs.events[rank][fatal - 1]}"
            print(arrangement, f"{where}: {unequal or 'same'}", flush=True)
    warm_process.close()
    return wrong


if __name__ == "__main__":
    sys.exit(main())
