"""Seconds until the command line answers: help, a typing mistake, the first mask, the first training step."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import interleaved, parser, report

from refsam_zoo.synthesis import SynthesisOptions, synthesize
from refsam_zoo.synthesis.options import SPLITS

ROOT = Path(__file__).resolve().parents[1]
NO_HARD_TESTS = {f"{split}_videos": 0 for split in SPLITS[3:]}
TINY = SynthesisOptions(train_videos=4, val_videos=1, test_videos=1, **NO_HARD_TESTS)


def command(*arguments: str, exit_code: int = 0) -> None:
    """Runs refsam-zoo in a fresh process."""
    done = subprocess.run([sys.executable, "-m", "refsam_zoo", *arguments], capture_output=True, text=True, cwd=ROOT)
    if done.returncode != exit_code:
        raise RuntimeError(f"refsam-zoo {' '.join(arguments)}: {done.stderr}")


def main() -> None:
    options = parser(__doc__).parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users have compiled packages from the second start on
    with tempfile.TemporaryDirectory() as folder:
        data, run = Path(folder, "data"), Path(folder, "run")
        synthesize(data, TINY)
        train = ["fit", "--config=configs/demo.yaml", f"--data.root={data}", "--data.synthesis=null"]
        train += ["--trainer.max_steps=1", "--trainer.limit_val_batches=0", "--trainer.enable_progress_bar=false"]
        train += ["--data.workers=0", "--data.epoch_length=4"]
        command(*train, f"--trainer.default_root_dir={run}")
        video = next(data.glob("test/Videos/*.mp4"))
        turn = iter(range(10**6))

        def fresh() -> str:
            return str(Path(folder, f"out{next(turn)}"))

        mask = ["segment", str(video), "the red circle", f"--checkpoint={run / 'checkpoints' / 'last.ckpt'}"]
        runs = {
            "--help": lambda: command("--help"),
            "a typing mistake": lambda: command("tset", exit_code=2),
            "segment a short video": lambda: command(*mask, f"--output={fresh()}"),
            "first training step": lambda: command(*train, f"--trainer.default_root_dir={fresh()}"),
        }
        seconds = interleaved(runs, options.rounds, warm=True)  # by the run above, as far as processes share anything
    rows = [{"label": name, "ratio": taken, **({"goal": 1.0} if taken < 2 else {})} for name, taken in seconds.items()]
    report("start_up", "seconds until done, in a fresh process", options, rows)


if __name__ == "__main__":
    main()
