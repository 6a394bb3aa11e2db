"""How long commands take in a fresh process, in units of `python -c "import torch"`: help, mistakes, short work."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

from measure import parser, report

from refsam_zoo.data_modules.refer_youtube_vos import parse_refer_youtube_vos
from refsam_zoo.inference.mask_folder import MaskFolder
from refsam_zoo.synthesis import SynthesisOptions, synthesize
from refsam_zoo.synthesis.options import SPLITS

ROOT = Path(__file__).resolve().parents[1]
NO_HARD_TESTS = {f"{split}_videos": 0 for split in SPLITS[3:]}
TINY = SynthesisOptions(train_videos=4, val_videos=1, test_videos=1, **NO_HARD_TESTS)
UNIT = "import torch"


class Run(NamedTuple):
    """What is timed: arguments of Python, the exit code that is right, and the goal in units of `import torch`."""

    arguments: Sequence[str]
    exit_code: int = 0
    goal: float | None = None


class Taken(NamedTuple):
    """Seconds of a process and its children by the clock, and of their processors."""

    seconds: float
    cpu_seconds: float


def take(run: Run, fresh: Path) -> Taken:
    """Runs in a fresh process; `FRESH` in the arguments stands for a path where nothing is yet."""
    arguments = [argument.replace("FRESH", str(fresh)) for argument in run.arguments]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=ROOT)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != run.exit_code:
        raise RuntimeError(f"python {' '.join(arguments)}: {done.stderr}")
    return Taken(seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def command(line: str, *more: str, exit_code: int = 0, goal: float | None = None) -> Run:
    return Run(["-m", "refsam_zoo", *line.split(), *more], exit_code, goal)


def runs(data: Path, folder: Path) -> dict[str, Run]:
    """What is timed, by name; a first training run makes the checkpoint that `segment` loads."""
    train = f"fit --config=configs/demo.yaml --data.root={data} --data.synthesis=null --trainer.max_steps=1"
    train += " --trainer.limit_val_batches=0 --trainer.enable_progress_bar=false --data.workers=0"
    train += " --data.epoch_length=4 --trainer.default_root_dir="
    take(command(f"{train}{folder / 'run'}"), folder)
    with MaskFolder(folder / "masks") as masks:
        for referral in parse_refer_youtube_vos(data, "test"):
            assert referral.masks is not None
            truth = referral.masks.read(range(len(referral.frames)), (TINY.image_size, TINY.image_size))
            for frame, mask in zip(referral.frames, truth, strict=True):
                masks.write(referral.video_id, referral.expression_id, frame, mask)
    score = f"evaluate {folder / 'masks'} --protocol=ref_shapes --data={data} --output="
    take(command(f"{score}{folder / 'scores'}"), folder)
    video = next(data.glob("test/Videos/*.mp4"))
    segment = f"--checkpoint={folder / 'run' / 'checkpoints' / 'last.ckpt'}"
    return {
        UNIT: Run(["-c", "import torch"]),
        "--help": command("--help", goal=0.3),
        "evaluate --help": command("evaluate --help", goal=0.3),
        "segment --help": command("segment --help", goal=0.3),
        "cache --help": command("cache --help", goal=0.3),
        "fit --help": command("fit --help", goal=0.3),
        "a mistake in a command": command("tset", exit_code=2, goal=0.3),
        "a mistake in an option": command("segment v.mp4 it --ouput=o", exit_code=2, goal=0.3),
        "a mistake in fit --trainer": command("fit --trainer.maxepochs=2", exit_code=2, goal=0.3),
        "list --data": command("list --data"),
        "list": command("list"),
        "inspect, 6 videos": command(f"inspect {data} --contact_sheet=FRESH.png --workers=1"),
        "the same, two workers": command(f"inspect {data} --contact_sheet=FRESH.png --workers=2"),
        "evaluate": command(f"{score}FRESH"),
        "compare": command(f"compare {folder / 'scores'} {folder / 'scores'}"),
        "segment, 12 frames": command("segment", str(video), "the red circle", segment, "--output=FRESH", goal=2.0),
        "first training step": command(f"{train}FRESH", goal=3.5),
    }


def main() -> None:
    options = parser(__doc__).parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users have compiled packages from the second start on
    with tempfile.TemporaryDirectory() as name:
        folder, number = Path(name), count()
        synthesize(folder / "data", TINY)
        timed = runs(folder / "data", folder)
        taken = [
            {label: take(run, folder / f"fresh{next(number)}") for label, run in timed.items()}
            for _ in range(options.rounds + 1)
        ][1:]  # the first compiles what was not yet, and fills the disk's cache
    rows = []
    for label, run in timed.items():
        row = {
            "label": label,
            "ratio": statistics.median(each[label].cpu_seconds / each[UNIT].cpu_seconds for each in taken),
            "cpu_seconds": statistics.median(each[label].cpu_seconds for each in taken),
            "seconds": statistics.median(each[label].seconds for each in taken),
        }
        rows.append(row if run.goal is None else {**row, "goal": run.goal})
    report("start_up", f"processor time until done, in a fresh process, over that of {UNIT}", options, rows)


if __name__ == "__main__":
    main()
