"""Which folder a run gets: a new one for each run, the same one for a run that goes on."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.training.run_folder import (
    home_of,
    named_checkpoint,
    release,
    requeued_checkpoint,
    training_folder,
)

SLURM = {"SLURM_NTASKS": "1", "SLURM_JOB_NAME": "train", "SLURM_JOB_ID": "77"}
LAUNCHERS = ("WANDB_RUN_ID", "WANDB_SWEEP_ID", "NODE_RANK", "SLURM_RESTART_COUNT", "REFSAM_ZOO_RUN_FOLDER", *SLURM)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a sweep nor a cluster, wherever the tests run."""
    for name in LAUNCHERS:
        monkeypatch.setenv(name, "")  # so that it is restored after what the code sets
        monkeypatch.delenv(name)


def write(path: Path, seconds: int = 0) -> Path:
    """Writes a file that is some seconds younger than the beginning of time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (seconds, seconds))
    return path


def test_each_run_gets_its_own_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = [training_folder(tmp_path / "run", None) for _ in range(4)]  # the same second, most likely
    assert len({*folders, *tmp_path.iterdir()}) == 4
    assert folders[0] == tmp_path / "run"
    assert all(folder.name.startswith("run-20") for folder in folders[1:])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"The folder of this run is {f}: {folders[0]} holds an earlier run." for f in folders[1:]]


def test_runs_that_start_at_once_do_not_meet(tmp_path: Path) -> None:
    folders: list[Path] = []
    threads = [
        threading.Thread(target=lambda: folders.append(training_folder(tmp_path / "run", None))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(folders)) == 8


def test_what_a_run_leaves_is_an_earlier_run(tmp_path: Path) -> None:
    for left in ("metrics.csv", "checkpoints/last.ckpt"):
        folder = tmp_path / left.replace("/", "_")
        write(folder / left)
        assert training_folder(folder, None) != folder


def test_what_is_started_after_a_run_is_not_told_of_its_folder(tmp_path: Path) -> None:
    folder = training_folder(tmp_path / "run", None)
    assert os.environ["REFSAM_ZOO_RUN_FOLDER"] == str(folder)
    release(folder)
    assert "REFSAM_ZOO_RUN_FOLDER" not in os.environ


def test_a_run_that_wrote_nothing_is_none(tmp_path: Path) -> None:
    for _ in range(2):
        assert training_folder(tmp_path / "run", None) == tmp_path / "run"
        release(tmp_path / "run")
    write(tmp_path / "run" / "checkpoints" / "last.ckpt")
    release(tmp_path / "run")
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()


def test_each_trial_of_a_sweep_is_named_by_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    for trial in ("a1b2c3", "d4e5f6"):
        monkeypatch.setenv("WANDB_RUN_ID", trial)
        assert training_folder(tmp_path / "run", None) == tmp_path / f"run-{trial}"
    assert training_folder(tmp_path / "run", None).name.startswith("run-20")  # the agent's own second try


def test_a_second_run_on_a_cluster_is_named_by_its_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training_folder(tmp_path / "run", None)
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    assert training_folder(tmp_path / "run", None) == tmp_path / "run-77"


@pytest.mark.parametrize("folder", [".", "runs/"])
def test_folders_written_in_other_ways(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    first, second = (training_folder(Path(folder), None) for _ in range(2))
    assert first == Path(folder)
    assert second.resolve().parent == first.resolve().parent
    assert second.resolve() != first.resolve()


def test_a_run_that_goes_on_stays_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    last = write(run / "checkpoints" / "last.ckpt")
    later = write(tmp_path / "run-20260101-000000" / "checkpoints" / "last.ckpt")
    hpc = write(run / "hpc_ckpt_1.ckpt")
    stranger = write(tmp_path / "other" / "checkpoints" / "last.ckpt")
    assert [training_folder(run, checkpoint) for checkpoint in (last, hpc, later)] == [run, run, later.parents[1]]
    assert capsys.readouterr().out == ""
    assert training_folder(run, stranger) not in (run, stranger.parents[1])
    assert training_folder(tmp_path / "new", stranger) == tmp_path / "new"
    assert [home_of(checkpoint, run) for checkpoint in (last, later, stranger)] == [run, later.parents[1], None]


def test_a_process_takes_what_the_first_has_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [training_folder(tmp_path / "run", None) for _ in range(2)][1]
    monkeypatch.setattr("refsam_zoo.training.run_folder.rank_zero_only.rank", 1)
    assert training_folder(tmp_path / "run", None) == chosen
    monkeypatch.delenv("REFSAM_ZOO_RUN_FOLDER")
    assert training_folder(tmp_path / "run", None) == tmp_path / "run"


def test_checkpoints_by_name(tmp_path: Path) -> None:
    assert named_checkpoint(tmp_path, "best") == tmp_path / "checkpoints" / "best.ckpt"
    assert named_checkpoint(tmp_path, "last") == tmp_path / "checkpoints" / "last.ckpt"
    assert named_checkpoint(tmp_path, "hpc") == tmp_path / "hpc_ckpt_1.ckpt"
    for number in (2, 10, 9):
        write(tmp_path / f"hpc_ckpt_{number}.ckpt")
    assert named_checkpoint(tmp_path, "hpc") == tmp_path / "hpc_ckpt_10.ckpt"
    assert named_checkpoint(tmp_path, "x/y.ckpt") == Path("x/y.ckpt")


@pytest.mark.parametrize(
    ("files", "restarts", "expected"),
    [
        ([], "1", None),
        (["run/hpc_ckpt_1.ckpt"], "", "run/hpc_ckpt_1.ckpt"),
        (["run/checkpoints/last.ckpt", "run/hpc_ckpt_1.ckpt"], "", "run/hpc_ckpt_1.ckpt"),
        (["run/checkpoints/last.ckpt", "run/hpc_ckpt_1.ckpt", "run/hpc_ckpt_2.ckpt"], "2", "run/hpc_ckpt_2.ckpt"),
        (["run/hpc_ckpt_1.ckpt", "run/checkpoints/last.ckpt"], "", "run/checkpoints/last.ckpt"),
        (["run/hpc_ckpt_1.ckpt", "run/checkpoints/last.ckpt"], "1", "run/checkpoints/last.ckpt"),
        (["run/checkpoints/last.ckpt"], "", None),
        (["run/checkpoints/last.ckpt", "run-77/checkpoints/last.ckpt"], "1", "run-77/checkpoints/last.ckpt"),
    ],
)
def test_where_a_requeued_job_goes_on(
    files: list[str], restarts: str, expected: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files from the oldest to the newest."""
    for age, name in enumerate(files):
        write(tmp_path / name, age)
    assert requeued_checkpoint(tmp_path / "run") is None  # not on a cluster
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    if restarts:
        monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    found = requeued_checkpoint(tmp_path / "run")
    assert found == (None if expected is None else tmp_path / expected)
    if found is not None:
        assert training_folder(tmp_path / "run", found) == tmp_path / Path(str(expected)).parts[0]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file/run: the run folder cannot be made"):
        training_folder(tmp_path / "file" / "run", None)
    with pytest.raises(InputError, match="file: the run folder cannot be made"):
        training_folder(tmp_path / "file", None)
