"""`metrics.csv` and `hparams.yaml` over several starts of one run."""

from __future__ import annotations

import csv
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from refsam_zoo.errors import InputError
from refsam_zoo.training.run_logger import RunLogger


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Stands for a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def log(folder: Path, *rows: dict[str, float]) -> None:
    """What one start of a run logs."""
    logger = RunLogger(folder)
    for row in rows:
        logger.log_metrics(row, int(row["step"]))
    logger.finalize("success")


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_history_of_a_run_grows(tmp_path: Path) -> None:
    log(tmp_path, {"step": 0, "loss": 3.0}, {"step": 1, "val/jf": 0.5})
    log(tmp_path)
    log(tmp_path, {"step": 2, "loss": 2.0}, {"step": 3, "a new column": 7.0})
    assert table(tmp_path) == [
        {"loss": "3.0", "step": "0", "val/jf": "", "a new column": ""},
        {"loss": "", "step": "1", "val/jf": "0.5", "a new column": ""},
        {"loss": "2.0", "step": "2", "val/jf": "", "a new column": ""},
        {"loss": "", "step": "3", "val/jf": "", "a new column": "7.0"},
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_half_a_row_of_a_killed_process_is_dropped(tmp_path: Path) -> None:
    log(tmp_path, {"step": 0, "loss": 3.0})
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("2.")
    log(tmp_path, {"step": 1, "loss": 2.0})
    assert [row["loss"] for row in table(tmp_path)] == ["3.0", "2.0"]


def test_rows_are_written_with_a_checkpoint(tmp_path: Path) -> None:
    logger = RunLogger(tmp_path)
    logger.log_metrics({"loss": 3.0}, 0)
    logger.after_save_checkpoint(None)  # type: ignore[arg-type]
    assert [row["loss"] for row in table(tmp_path)] == ["3.0"]


@pytest.mark.parametrize("column", ["loss", "a new column"], ids=["append", "replace"])
def test_a_full_disk_leaves_what_was_there(column: str, tmp_path: Path) -> None:
    log(tmp_path, {"step": 0, "loss": 3.0})
    before = (tmp_path / "metrics.csv").read_bytes()
    message = rf"{tmp_path}/metrics\.csv cannot be written: File too large"
    with files_of_at_most(len(before) + 5), pytest.raises(InputError, match=message):
        log(tmp_path, *({"step": step, column: 1 / 3} for step in range(9)))
    assert (tmp_path / "metrics.csv").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


@pytest.mark.parametrize("rows", [0, 2, 9])
def test_a_run_that_goes_back_drops_what_it_will_write_again(rows: int, tmp_path: Path) -> None:
    steps = [{"step": float(step), "loss": 3.0 - step} for step in range(4)]
    log(tmp_path, *steps)
    whole = (tmp_path / "metrics.csv").read_bytes()
    logger = RunLogger(tmp_path)
    logger.go_back_to(rows)
    assert [float(row["step"]) for row in table(tmp_path)] == list(range(4))[:rows]
    for row in steps[rows:]:
        for _ in range(2):  # a checkpoint takes up what Lightning logs a moment later
            logger.log_metrics(row, int(row["step"]))
    assert logger.rows() == 4
    assert (tmp_path / "metrics.csv").read_bytes() == whole


def test_hyper_parameters_are_plain_and_whole(tmp_path: Path) -> None:
    logger = RunLogger(tmp_path)
    logger.log_hyperparams({"config": {"root": "data", "sizes": [1, 2]}})
    text = (tmp_path / "hparams.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text) == {"config": {"root": "data", "sizes": [1, 2]}}
    with files_of_at_most(5), pytest.raises(InputError, match=r"hparams\.yaml cannot be written: File too large"):
        logger.log_hyperparams({"config": {"root": "elsewhere"}})
    assert (tmp_path / "hparams.yaml").read_text(encoding="utf-8") == text
