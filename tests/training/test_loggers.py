"""What W&B and TensorBoard get of a run, read back from their files; both are given at once."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from refsam_zoo.callbacks.pictures import NAME

pytestmark = pytest.mark.slow

BLOCK, HEADER = 32768, 7
SCORES = {"train/loss", "val/j", "val/f", "val/jf", "val/jf_best", "val/kind/attribute/jf"}


@pytest.fixture(scope="module")
def run(tiny_command: Callable[..., list[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "tiny"
    loggers = [
        {"class_path": "WandbLogger", "init_args": {"log_model": "all", "save_dir": str(run)}},
        {"class_path": "TensorBoardLogger", "init_args": {"save_dir": str(run)}},
        {"class_path": "CSVLogger", "init_args": {"save_dir": str(run)}},
    ]
    config = run.with_name("loggers.yaml")
    config.write_text(yaml.safe_dump({"trainer": {"logger": loggers}}))
    done = fit(tiny_command, run, f"--config={config}", "--trainer.max_epochs=2")
    assert done.returncode == 0, done.stderr
    return run


def fit(tiny_command: Callable[..., list[str]], run: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Trains in a process of its own: W&B writes its file when that ends, and its pictures' folder goes with a fork."""
    command = [sys.executable, "-m", "refsam_zoo", *tiny_command("fit", run, *more)]
    # not by `offline: true`, with which Lightning refuses to keep checkpoints as artefacts
    offline = os.environ | {"WANDB_MODE": "offline", "WANDB_DATA_DIR": str(run)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=offline)


def records(path: Path) -> Iterator[Any]:
    """What a `.wandb` file holds: blocks of pieces, each with checksum, length and kind (whole, first, amid, last)."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, position, begun = path.read_bytes(), HEADER, b""
    while position + HEADER < len(content):
        if BLOCK - position % BLOCK < HEADER:
            position += BLOCK - position % BLOCK
        length, kind = int.from_bytes(content[position + 4 : position + 6], "little"), content[position + 6]
        begun += content[position + HEADER : position + HEADER + length]
        position += HEADER + length
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(begun)
            yield record
            begun = b""


def test_weights_and_biases(run: Path) -> None:
    [file] = run.glob("wandb/offline-run-*/run-*.wandb")
    found = list(records(file))
    assert next(each.run.display_name for each in found if each.HasField("run")) == run.name
    updates = [update for each in found for update in each.config.update]
    [config] = [json.loads(update.value_json) for update in updates if update.key == "config"]
    assert config["model"]["tuner"]["class_path"].endswith(".full")
    keys = [item.key or "/".join(item.nested_key) for each in found for item in each.history.item]
    assert set(keys) >= SCORES
    assert keys.count("val/jf") == 2
    assert len(list(file.parent.glob(f"files/media/images/{NAME}_*.png"))) == 2


def test_checkpoints_are_artefacts_of_weights_and_biases(run: Path) -> None:
    """The newest of each file is what is on the disk."""
    [file] = run.glob("wandb/offline-run-*/run-*.wandb")
    artefacts = [each.artifact for each in records(file) if each.HasField("artifact")]
    kept = {json.loads(each.metadata)["original_filename"]: each for each in artefacts}
    assert set(kept) == {"best.ckpt", "last.ckpt"}
    for name, artefact in kept.items():
        [entry] = artefact.manifest.contents
        content = (run / "checkpoints" / name).read_bytes()
        assert entry.digest == base64.b64encode(hashlib.md5(content).digest()).decode()


def test_a_run_that_fails_is_marked_so(
    tiny_command: Callable[..., list[str]], ref_shapes: Path, tmp_path: Path
) -> None:
    """By its exit status, where W&B knows of the run by then: a sweep goes by that."""
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(ref_shapes, data)
    for picture in data.glob("train/JPEGImages/*/*.jpg"):
        picture.write_bytes(b"damaged")
    logger = ("--trainer.logger=WandbLogger", f"--trainer.logger.save_dir={run}")
    done = fit(tiny_command, run, f"--data.root={data}", *logger)
    assert done.returncode == 2, done.stderr
    [file] = run.glob("wandb/offline-run-*/run-*.wandb")
    assert [each.exit.exit_code for each in records(file) if each.HasField("exit")] == [2]


def test_tensorboard(run: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run / "lightning_logs" / "version_0"))
    events.Reload()
    assert set(events.Tags()["scalars"]) >= SCORES
    assert len(events.Scalars("val/jf")) == 2
    assert [len(events.Images(name)) for name in events.Tags()["images"]] == [2]
    options = yaml.safe_load((run / "lightning_logs" / "version_0" / "hparams.yaml").read_text())
    assert options["config"]["model"]["tuner"]["class_path"].endswith(".full")


def test_csv(run: Path) -> None:
    [table] = run.glob("lightning_logs/*/metrics.csv")
    assert set(table.read_text().splitlines()[0].split(",")) >= SCORES
