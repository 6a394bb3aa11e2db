"""Training in two processes of a thread each against two threads of one process: clips a second, and what they cost.

All run `refsam-zoo fit` with the demo's configuration, in turn. Two processes and two threads are asked for batches
twice as large, half of them for each process.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch import Callback, LightningModule, Trainer
from measure import parser, report

from refsam_zoo.synthesis import SynthesisOptions, synthesize
from refsam_zoo.synthesis.options import SPLITS

ROOT = Path(__file__).resolve().parents[1]
DATA = SynthesisOptions(train_videos=16, val_videos=1, test_videos=1, **{f"{name}_videos": 0 for name in SPLITS[3:]})
BATCH = 4


class Way(NamedTuple):
    """Processes, the threads of each, and the clips of a step of each."""

    processes: int
    threads: int
    batch: int


WAYS = {
    "one process, one thread": Way(1, 1, BATCH),
    "one process, two threads": Way(1, 2, 2 * BATCH),
    "two processes, one thread each": Way(2, 1, BATCH),
}


class StepTimes(Callback):
    """Writes when each step ended, by the clock and by this process's processor time, a file for each process."""

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.ends.append((time.perf_counter(), time.process_time()))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        (Path(trainer.default_root_dir) / f"process{trainer.global_rank}.json").write_text(json.dumps(self.ends))


def train(way: Way, data: Path, steps: int) -> tuple[float, float]:
    """Runs so many steps after a first one; gives seconds of the clock, and of the processors, for a clip."""
    clips = way.batch * way.processes
    options = {
        "config": "configs/demo.yaml", "data.root": data, "data.synthesis": "null", "data.workers": 0,
        "data.batch_size": way.batch, "data.epoch_length": clips * (steps + 1), "data.clip_frames": 2,
        "trainer.max_epochs": 1, "trainer.limit_val_batches": 0, "trainer.logger": "false",
        "trainer.devices": way.processes, "trainer.strategy": "ddp" if way.processes > 1 else "auto",
        "trainer.callbacks+": "data_parallel.StepTimes",
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        arguments = [f"--{name}={value}" for name, value in options.items()]
        environment = os.environ | {"OMP_NUM_THREADS": str(way.threads), "PYTHONPATH": str(Path(__file__).parent)}
        command = [sys.executable, "-m", "refsam_zoo", "fit", *arguments, f"--trainer.default_root_dir={folder}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
        if done.returncode:
            raise RuntimeError(done.stderr)
        told = [json.loads(path.read_text()) for path in sorted(Path(folder).glob("process*.json"))]
    assert len(told) == way.processes
    wall, processors = zip(*((ends[-1][0] - ends[0][0], ends[-1][1] - ends[0][1]) for ends in told), strict=True)
    return max(wall) / steps / clips, sum(processors) / steps / clips


def main() -> None:
    arguments = parser(__doc__, rounds=3)
    arguments.add_argument("--steps", type=int, default=12)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        synthesize(data, DATA)
        rounds = [
            {label: train(way, data, options.steps) for label, way in WAYS.items()} for _ in range(options.rounds)
        ]
    rows = []
    for label, way in WAYS.items():
        seconds, processors = (statistics.median(each[label][clock] for each in rounds) for clock in range(2))
        plain = [each[next(iter(WAYS))] for each in rounds]
        faster = [alone[0] / each[label][0] for alone, each in zip(plain, rounds, strict=True)]
        dearer = [each[label][1] / alone[1] for alone, each in zip(plain, rounds, strict=True)]
        rows.append(
            {
                "label": label,
                "clips_a_second": 1 / seconds,
                "ratio": statistics.median(faster),
                "efficiency": statistics.median(faster) / (way.processes * way.threads),
                "cpu_seconds_a_clip": processors,
                "cpu_ratio": statistics.median(dearer),
            }
        )
    report("data_parallel", "training the demo: clips a second, in units of one process with one thread", options, rows)


if __name__ == "__main__":
    main()
