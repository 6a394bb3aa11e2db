"""A run is recorded, and comes out the same again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from refsam_zoo.cli import main
from refsam_zoo.data_modules.refer_youtube_vos import parse_refer_youtube_vos
from refsam_zoo.training.run_record import RECORD, digest_of

pytestmark = pytest.mark.slow
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def run(tiny_command: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "demo"
    assert main(tiny_command("fit", run, "--trainer.max_epochs=1")) == 0
    return run


def record_of(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / RECORD).read_text())
    return content


def test_a_run_says_what_it_was_made_of(run: Path, ref_shapes: Path) -> None:
    record = record_of(run)
    assert record["command"][0] == "fit"
    assert f"--trainer.default_root_dir={run}" in record["command"]
    assert torch.__version__.startswith(record["versions"]["torch"].partition("+")[0])
    assert record["configuration"]["seed_everything"] == 0
    (code,) = (each for each in record["code"] if Path(each["folder"]) == Path(__file__).parents[2])
    assert len(code["revision"]) == len(hashlib.sha1().hexdigest())
    assert len(record["losses"]) == 3
    assert (record["step"], record["world_size"]) == (0, 1)


def test_the_data_are_told_apart_by_what_is_said_and_shown(ref_shapes: Path) -> None:
    referrals = parse_refer_youtube_vos(ref_shapes, "train")
    assert digest_of(referrals) == digest_of(parse_refer_youtube_vos(ref_shapes, "train"))
    assert digest_of(referrals) != digest_of(referrals[::-1])
    assert digest_of(referrals) != digest_of(referrals[1:])


def test_it_comes_out_the_same_again(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert main(["rerun", str(run)]) == 0
    assert f"{run}: the first 3 losses are the same, bit for bit\n" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def next_number(record: dict[str, Any]) -> None:
    losses = torch.tensor(record["losses"], dtype=torch.float64)
    losses[1] = torch.nextafter(losses[1], torch.tensor(torch.inf, dtype=torch.float64))
    record["losses"] = losses.tolist()
    record["versions"]["numpy"] = "1.0"


DIFFERENT: dict[str, tuple[Change, str]] = {
    "loss": (next_number, "the loss of step 2 is "),
    "data": (lambda record: record.update(data="0"), "the videos, frames or sentences are not those"),
    "nothing": (lambda record: record.update(losses=[]), "holds no losses"),
    "other": (dict.clear, "holds no losses"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_what_differs_is_said(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str) -> None:
    change, message = DIFFERENT[case]
    record = record_of(run)
    change(record)
    (tmp_path / RECORD).write_text(json.dumps(record))
    assert main(["rerun", str(tmp_path)]) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("refsam-zoo: error:"))
    assert message in line
    assert (case == "loss") == (", was 1.0" in line)


def test_no_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rerun", str(tmp_path)]) == 2
    assert f"{tmp_path / RECORD}: no such file; `refsam-zoo fit` writes it" in capsys.readouterr().err
    (tmp_path / RECORD).write_text("[")
    assert main(["rerun", str(tmp_path)]) == 2
    assert "cannot be read as the record of a run" in capsys.readouterr().err


def test_a_run_that_goes_on_keeps_its_beginning(run: Path, tiny_command: Callable[..., list[str]]) -> None:
    before = record_of(run)
    assert main(tiny_command("fit", run, "--trainer.max_epochs=2", "--ckpt_path=last")) == 0
    after = record_of(run)
    (part,) = after.pop("continued")
    assert after == before
    assert part["step"] == 3
    assert "--ckpt_path=last" in part["command"]
