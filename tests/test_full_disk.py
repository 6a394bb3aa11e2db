"""Commands that write, on a disk that is too small: a real one of some kilobytes, mounted for one command alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from formats.segment_outputs import FRAMES
from PIL import Image
from warm_process import WarmProcess

from refsam_zoo.cli import main
from refsam_zoo.inference.outputs import OUTPUTS

ON_SMALL_DISK = """
import ctypes, os, shutil, subprocess, sys
from pathlib import Path

disk, size, copy, *sys.argv[1:] = sys.argv[1:]
user, group = os.getuid(), os.getgid()
if ctypes.CDLL(None).unshare(0x10000000 | 0x20000):  # from here on users and mounts of its own
    sys.exit("no mounts of one's own")
for name, line in {"setgroups": "deny", "uid_map": f"0 {user} 1", "gid_map": f"0 {group} 1"}.items():
    Path("/proc/self", name).write_text(line)
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True)
try:
    exec(sys.argv.pop(1))
finally:
    shutil.copytree(disk, copy)
"""
"""Arguments: where the disk is mounted, its size, where to copy what is on it afterwards, the program and its own."""

ONE_STEP = ("--data.epoch_length=2", "--trainer.max_epochs=1", "--trainer.limit_val_batches=1")
REFSAM_ZOO = "import sys; from refsam_zoo.cli import main; sys.exit(main(sys.argv[1:]))"
TinyCommand = Callable[..., list[str]]
RunOnDisk = Callable[..., subprocess.CompletedProcess[str]]
Refusal = Callable[[list[str], str], str]


def can_mount() -> bool:
    if sys.platform != "linux":
        return False
    with TemporaryDirectory() as folder:
        arguments = [folder, "4k", f"{folder}/copy", "pass"]
        return subprocess.run([sys.executable, "-c", ON_SMALL_DISK, *arguments], capture_output=True).returncode == 0


pytestmark = [pytest.mark.slow, pytest.mark.skipif(not can_mount(), reason="no file system may be mounted here")]


@pytest.fixture(scope="module")
def checkpoint(tiny_command: TinyCommand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    assert main(tiny_command("fit", run, *ONE_STEP)) == 0
    return run / "checkpoints" / "last.ckpt"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


@pytest.fixture
def run_on_disk(disk: Path, warm_process: WarmProcess) -> RunOnDisk:
    """Gives a function: size, program and its arguments -> how it ended; what it left on the disk comes to `disk`."""

    def run(size: str, program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        copy = disk.with_name("copy")
        done = warm_process.run("-c", ON_SMALL_DISK, disk, size, copy, program, *arguments)
        disk.rmdir()
        copy.rename(disk)
        return done

    return run


@pytest.fixture
def refusal(disk: Path, run_on_disk: RunOnDisk) -> Refusal:
    """Gives a function: a command that the disk has no room for, size -> its error line."""

    def refused(arguments: list[str], size: str) -> str:
        done = run_on_disk(size, REFSAM_ZOO, *arguments)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        errors = [line for line in done.stderr.splitlines() if line.startswith("refsam-zoo: error: ")]
        assert len(errors) == 1
        assert "No space left on device" in errors[0]
        left = [path for path in disk.rglob("*") if path.is_file()]
        assert not [path for path in left if path.name.startswith(".")], "unfinished files"
        for path in left:
            if path.suffix == ".png":
                np.asarray(Image.open(path))  # whole, or Pillow raises
        return errors[0]

    return refused


@pytest.mark.parametrize("size", ["4k", "64k"])
def test_masks_of_predict(size: str, checkpoint: Path, tiny_command: TinyCommand, disk: Path, refusal: Refusal) -> None:
    said = refusal(tiny_command("predict", disk / "run", f"--ckpt_path={checkpoint}"), size)
    assert f"{disk / 'run'}/" in said
    assert bool(list(disk.rglob("*.png"))) == (size != "4k")


def test_tables_and_pictures_of_test(checkpoint: Path, tiny_command: TinyCommand, disk: Path, refusal: Refusal) -> None:
    said = refusal(tiny_command("test", disk / "run", f"--ckpt_path={checkpoint}"), "64k")
    assert f"{disk / 'run' / 'evaluation'}" in said
    assert [path.name for path in (disk / "run").iterdir()] == ["config_test.yaml"]


def test_segment_does_not_claim_what_is_not_there(
    checkpoint: Path, ref_shapes: Path, disk: Path, refusal: Refusal
) -> None:
    video = next((ref_shapes / "test" / "JPEGImages").iterdir())
    options = [f"--checkpoint={checkpoint}", f"--output={disk / 'out'}", "--device=cpu"]
    said = refusal(["segment", str(video), "a star", *options], "64k")
    assert "are kept" not in said
    assert "what could be written of the first 6 of 6 frames is in" in said
    assert not (disk / "out" / "still.png").exists()


ONE_OUTPUT = """
import json, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from refsam_zoo.errors import InputError
from refsam_zoo.inference.open_outputs import OpenOutputs
from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.systems.base import FrameMasks

random = np.random.default_rng(0)
try:
    facts = VideoFacts("cat", (36, 60), ("it", "another"), fps=12)
    with OpenOutputs(sys.argv[1:2], Path(sys.argv[2]), facts) as outputs:
        for number in range(3000):
            frame = random.integers(0, 256, (36, 60, 3)).astype(np.uint8)
            found = FrameMasks(frame, random.random((2, 36, 60)) > 0.5, np.ones(2, np.float32))
            outputs.add(SegmentedFrame(number, f"{number:05d}", Fraction(number, 12), found))
except InputError as error:
    print(json.dumps([str(error), outputs.frames]))
"""
LOST_IN_BUFFERS = 33
"""Pictures of a film, or masks, that wait for an encoder when there is no more room."""


@pytest.mark.parametrize("name", list(OUTPUTS))
def test_outputs_of_segment_keep_the_frames_that_had_room(name: str, disk: Path, run_on_disk: RunOnDisk) -> None:
    done = run_on_disk("200k", ONE_OUTPUT, name, disk)
    assert done.stdout, done.stderr
    said, frames = json.loads(done.stdout)
    assert said.endswith("cannot be written: No space left on device")
    path = disk / OUTPUTS.get(name).file
    if name == "still":  # it is written at the end, and had no room
        assert not path.exists()
    else:
        assert frames - LOST_IN_BUFFERS <= FRAMES[name](path) <= frames
        assert FRAMES[name](path) > 0


def test_a_feature_cache_that_is_to_be_filled(ref_shapes: Path, disk: Path, refusal: Refusal) -> None:
    options = [f"--data={ref_shapes}", "--split=val", "--image_encoder=vit_tiny", "--device=cpu"]
    assert ".features cannot be written: " in refusal(["cache", str(disk / "cache"), *options], "300k")
    assert len(list(disk.rglob("*.features"))) == 2


def test_a_feature_cache_beside_training_costs_no_run(
    tiny_command: TinyCommand, disk: Path, run_on_disk: RunOnDisk
) -> None:
    """The features are a convenience: the run goes on without."""
    run = disk.with_name("run")
    more = ["--model.tuner=frozen", f"--model.feature_cache.folder={disk}/cache"]
    done = run_on_disk("4k", REFSAM_ZOO, *tiny_command("fit", run, *ONE_STEP, *more))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no more features are kept") == 1
    assert (run / "checkpoints" / "last.ckpt").is_file()


TWO_CHECKPOINTS = """
import sys, torch
from pathlib import Path
from refsam_zoo.training.checkpoint_files import WholeCheckpoints

for number in range(2):
    WholeCheckpoints().save_checkpoint({"number": number, "weights": torch.zeros(20_000)}, Path(sys.argv[1]))
"""


def test_the_earlier_checkpoint(disk: Path, run_on_disk: RunOnDisk) -> None:
    """There is room for one of 80 kB and not for the next beside it."""
    path = disk / "last.ckpt"
    done = run_on_disk("150k", TWO_CHECKPOINTS, path)
    assert done.stderr.splitlines()[-1].endswith(f"InputError: {path} cannot be written: No space left on device")
    assert torch.load(path, weights_only=True)["number"] == 0
    assert [each.name for each in disk.iterdir()] == ["last.ckpt"]


def test_shards(ref_shapes: Path, disk: Path, refusal: Refusal) -> None:
    assert "000000.tar cannot be written" in refusal(["shard", str(ref_shapes), str(disk / "shards")], "32k")
    assert not list(disk.rglob("*.*"))


@pytest.mark.parametrize("name", ["parts.safetensors", "parts.pth"])
def test_weights(name: str, checkpoint: Path, disk: Path, refusal: Refusal) -> None:
    arguments = ["convert", str(checkpoint), str(disk / name), "--components=[mask_decoder]"]
    assert f"{disk / name} cannot be written: " in refusal(arguments, "256k")
    assert list(disk.iterdir()) == []


def test_a_data_set(disk: Path, refusal: Refusal) -> None:
    assert f"{disk / 'data'} cannot be written: " in refusal(
        ["synthesize", str(disk / "data"), "--train_videos=2", "--image_size=64", "--frames=6"], "32k"
    )
    assert list(disk.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("arguments", [["list"], ["--help"]], ids=" ".join)
def test_standard_output_in_a_file(arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        command = [sys.executable, "-m", "refsam_zoo", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    said = "refsam-zoo: error: output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, said)
