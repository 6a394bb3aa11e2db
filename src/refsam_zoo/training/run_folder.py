"""The folder of a run: chosen so that no run writes over another, and found again by what continues it."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

from lightning.fabric.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from refsam_zoo.errors import InputError

CHECKPOINTS = "checkpoints"
METRICS = "metrics.csv"

_CHOSEN = "REFSAM_ZOO_RUN_FOLDER"
"""Variable by which the first process tells those it starts what it has chosen."""


def named_checkpoint(folder: Path, name: str) -> Path:
    """Gives the file that `--ckpt_path best`, `last`, `hpc` or the path of a file means.

    Args:
        folder: The run's folder.
        name: What was asked for; `hpc` is the newest checkpoint that Lightning wrote when SLURM took the machine away.
    """
    if name == "hpc":
        return max(folder.glob("hpc_ckpt_*.ckpt"), key=_number, default=folder / "hpc_ckpt_1.ckpt")
    return folder / CHECKPOINTS / f"{name}.ckpt" if name in ("best", "last") else Path(name)


def requeued_checkpoint(folder: Path) -> Path | None:
    """Finds where an interrupted SLURM job goes on; None for all other runs.

    That is the newest of Lightning's `hpc_ckpt_N.ckpt` and of `last.ckpt`. Where there is only the latter, the job must
    be one that SLURM says it has queued again: it may also be that of an earlier run.

    Args:
        folder: The run's folder as configured; the job may have got one of its own beside it.
    """
    if not SLURMEnvironment.detect():
        return None
    again = os.environ.get("SLURM_RESTART_COUNT", "0") != "0"
    for home in (*_own_names(folder), folder):
        hpc, last = named_checkpoint(home, "hpc"), named_checkpoint(home, "last")
        found = [path for path in (hpc, last) if path.is_file()]
        if hpc in found or (again and found):
            return max(found, key=lambda path: path.stat().st_mtime)
    return None


def home_of(checkpoint: Path, folder: Path) -> Path | None:
    """Gives the folder of the run that wrote a checkpoint.

    Args:
        checkpoint: The file.
        folder: The run's folder as configured.

    Returns:
        `folder` or one that a later run got beside it; None for a checkpoint that comes from elsewhere.
    """
    path, own = checkpoint.resolve(), folder.resolve()
    home = path.parent.parent if path.parent.name == CHECKPOINTS else path.parent
    if home == own:
        return folder
    return folder.with_name(home.name) if home.parent == own.parent and home.name.startswith(f"{own.name}-") else None


def training_folder(folder: Path, checkpoint: Path | None) -> Path:
    """Chooses the folder that a training run writes to, and makes it the run's own.

    It is the folder as configured, unless that holds an earlier run or one of a sweep's trials is to be trained: then
    one beside it, named after the W&B run, the SLURM job or the time; a line says so. A run that is continued from its
    checkpoint stays where it is. All processes of a run get the same answer.

    Args:
        folder: The run's folder as configured.
        checkpoint: What the run is continued from.

    Raises:
        InputError: The folder cannot be made or written.
    """
    if not is_first_process():
        # what torchrun and SLURM have started does not know, and writes nothing by itself
        return Path(os.environ.get(_CHOSEN, next(_own_names(folder), folder)))
    chosen = _choose(folder, checkpoint)
    os.environ[_CHOSEN] = str(chosen)
    return chosen


def release(folder: Path) -> None:
    """Ends what `training_folder` began.

    The next run may have the folder if this one has written neither metrics nor checkpoints, and programs that are
    started later are not told of it.
    """
    if is_first_process():
        os.environ.pop(_CHOSEN, None)
        with contextlib.suppress(OSError):
            (folder / CHECKPOINTS).rmdir()


def make_folder(folder: Path) -> None:
    """Makes a folder that can be written.

    Raises:
        InputError: It cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: the run folder cannot be made: {error.strerror}") from error
    if not os.access(folder, os.W_OK):
        raise InputError(f"{folder}: the run folder cannot be written; give another --trainer.default_root_dir")


def is_first_process() -> bool:
    """Whether this process speaks and writes for a run of several."""
    rank: int = rank_zero_only.rank  # type: ignore[attr-defined]
    return rank == 0 and os.environ.get("NODE_RANK", "0") == "0"


def _choose(folder: Path, checkpoint: Path | None) -> Path:
    home = None if checkpoint is None else home_of(checkpoint, folder)
    trial = "WANDB_SWEEP_ID" in os.environ
    if home == folder or (not trial and _claim(folder)):
        make_folder(folder)
        return folder
    if home is not None:
        return home
    for candidate in itertools.chain(_own_names(folder), _names_by_time(folder)):
        if _claim(candidate):
            reason = "a trial of a sweep" if trial else f"{folder} holds an earlier run"
            print(f"The folder of this run is {candidate}: {reason}.", flush=True)
            return candidate
    raise AssertionError("there is always another name")


def _claim(folder: Path) -> bool:
    """Makes a folder this run's, where no other run has written or is at work."""
    make_folder(folder)
    if (folder / METRICS).exists():
        return False
    try:
        (folder / CHECKPOINTS).mkdir()  # of two runs that start at once, one succeeds
    except FileExistsError:
        return False
    return True


def _own_names(folder: Path) -> Iterator[Path]:
    """Yields the name that a run keeps when it is started again."""
    identity = os.environ.get("WANDB_RUN_ID") or (os.environ.get("SLURM_JOB_ID") if SLURMEnvironment.detect() else None)
    if identity:
        yield _beside(folder, identity)


def _names_by_time(folder: Path) -> Iterator[Path]:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    yield _beside(folder, stamp)
    for number in itertools.count(2):
        yield _beside(folder, f"{stamp}-{number}")


def _beside(folder: Path, ending: str) -> Path:
    named = folder if folder.name not in ("", "..") else folder.resolve()
    return named.with_name(f"{named.name}-{ending}")


def _number(path: Path) -> int:
    return int("".join(re.findall(r"\d+", path.stem)) or 0)
