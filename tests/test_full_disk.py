"""Commands that write, on a disk that is too small: a real one of some kilobytes, mounted for one command alone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from formats.segment_outputs import FRAMES
from PIL import Image

from refsam_zoo.cli import main
from refsam_zoo.inference.outputs import OUTPUTS

DEMO = Path(__file__).parents[1] / "configs" / "demo.yaml"
ON_SMALL_DISK = """
disk=$1 size=$2 copy=$3; shift 3
mount -t tmpfs -o "size=$size" tmpfs "$disk" || exit 99
"$@"; code=$?
cp -r "$disk" "$copy"; exit $code
"""
"""Arguments: where the disk is mounted, its size, where to copy what is on it afterwards, and the command."""

UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False, capture_output=True)
    return done.returncode == 0


pytestmark = [pytest.mark.slow, pytest.mark.skipif(not can_mount(), reason="no file system may be mounted here")]


def demo(command: str, data: Path, run: Path, *more: str) -> list[str]:
    return [
        command,
        f"--config={DEMO}",
        f"--data.root={data}",
        "--data.synthesis=null",
        "--data.clip_frames=1",
        "--data.epoch_length=2",
        "--data.batch_size=2",
        "--data.workers=0",
        "--trainer.max_epochs=1",
        "--trainer.limit_val_batches=1",
        "--trainer.enable_model_summary=false",
        f"--trainer.default_root_dir={run}",
        *more,
    ]


@pytest.fixture(scope="module")
def checkpoint(ref_shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    assert main(demo("fit", ref_shapes, run)) == 0
    return run / "checkpoints" / "last.ckpt"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


def refusal(arguments: list[str], disk: Path, size: str) -> str:
    """Runs a command that the disk has no room for; gives its error line. What is left on it comes to `disk`."""
    copy = disk.with_name("copy")
    shell = [*UNSHARE, "sh", "-c", ON_SMALL_DISK, "sh", str(disk), size, str(copy)]
    command = [*shell, sys.executable, "-m", "refsam_zoo", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("refsam-zoo: error: ")]
    assert len(errors) == 1
    assert "No space left on device" in errors[0]
    disk.rmdir()
    copy.rename(disk)
    left = [path for path in disk.rglob("*") if path.is_file()]
    assert not [path for path in left if path.name.startswith(".")], "unfinished files"
    for path in left:
        if path.suffix == ".png":
            np.asarray(Image.open(path))  # whole, or Pillow raises
    return errors[0]


@pytest.mark.parametrize("size", ["4k", "64k"])
def test_masks_of_predict(size: str, checkpoint: Path, ref_shapes: Path, disk: Path) -> None:
    said = refusal(demo("predict", ref_shapes, disk / "run", f"--ckpt_path={checkpoint}"), disk, size)
    assert f"{disk / 'run'}/" in said
    assert bool(list(disk.rglob("*.png"))) == (size != "4k")


def test_tables_and_pictures_of_test(checkpoint: Path, ref_shapes: Path, disk: Path) -> None:
    said = refusal(demo("test", ref_shapes, disk / "run", f"--ckpt_path={checkpoint}"), disk, "64k")
    assert f"{disk / 'run' / 'evaluation'}" in said
    assert [path.name for path in (disk / "run").iterdir()] == ["config_test.yaml"]


@pytest.mark.parametrize("size", ["64k"])
def test_segment_does_not_claim_what_is_not_there(size: str, checkpoint: Path, ref_shapes: Path, disk: Path) -> None:
    video = next((ref_shapes / "test" / "JPEGImages").iterdir())
    options = [f"--checkpoint={checkpoint}", f"--output={disk / 'out'}", "--device=cpu"]
    said = refusal(["segment", str(video), "a star", *options], disk, size)
    assert "are kept" not in said
    assert "what could be written of the first 6 of 6 frames is in" in said
    assert not (disk / "out" / "still.png").exists()


EVERY_OUTPUT = """
import json, shutil, subprocess, sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from refsam_zoo.errors import InputError
from refsam_zoo.inference.open_outputs import OpenOutputs
from refsam_zoo.inference.outputs import OUTPUTS, SegmentedFrame, VideoFacts
from refsam_zoo.systems.base import FrameMasks

random = np.random.default_rng(0)
said = {}
for name in OUTPUTS:
    disk = Path(sys.argv[1], name)
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], check=True)
    try:
        with OpenOutputs([name], disk, VideoFacts("cat", (36, 60), ("it", "another"), fps=12)) as outputs:
            for number in range(3000):
                frame = random.integers(0, 256, (36, 60, 3)).astype(np.uint8)
                masks = random.random((2, 36, 60)) > 0.5
                found = FrameMasks(frame, masks, np.ones(2, np.float32))
                outputs.add(SegmentedFrame(number, f"{number:05d}", Fraction(number, 12), found))
    except InputError as error:
        said[name] = [str(error), outputs.frames]
    shutil.copytree(disk, Path(sys.argv[2], name))
print(json.dumps(said))
"""


def test_every_output_of_segment_keeps_the_frames_that_had_room(tmp_path: Path) -> None:
    (tmp_path / "disks").mkdir()
    command = [*UNSHARE, sys.executable, "-c", EVERY_OUTPUT, str(tmp_path / "disks"), str(tmp_path / "copies")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    said = json.loads(done.stdout)
    assert set(said) == set(FRAMES)
    for name, (message, frames) in said.items():
        assert message.endswith("cannot be written: No space left on device")
        left = [path.name for path in (tmp_path / "copies" / name).glob("*")]
        path = tmp_path / "copies" / name / OUTPUTS.get(name).file
        if name == "still":  # it is written at the end, and had no room
            assert not path.exists()
        else:
            assert path.name in left
            assert frames - 33 <= FRAMES[name](path) <= frames


def test_a_feature_cache_that_is_to_be_filled(ref_shapes: Path, disk: Path) -> None:
    options = [f"--data={ref_shapes}", "--split=val", "--image_encoder=vit_tiny", "--device=cpu"]
    assert ".features cannot be written: " in refusal(["cache", str(disk / "cache"), *options], disk, "300k")
    assert len(list(disk.rglob("*.features"))) == 2


def test_a_feature_cache_beside_training_costs_no_run(ref_shapes: Path, disk: Path) -> None:
    """The features are a convenience: the run goes on without."""
    run = disk.with_name("run")
    more = ["--model.tuner=frozen", f"--model.feature_cache.folder={disk}/cache"]
    shell = [*UNSHARE, "sh", "-c", ON_SMALL_DISK, "sh", str(disk), "4k", str(disk.with_name("copy"))]
    command = [*shell, sys.executable, "-m", "refsam_zoo", *demo("fit", ref_shapes, run, *more)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=240)
    assert done.stderr.count("no more features are kept") == 1
    assert (run / "checkpoints" / "last.ckpt").is_file()


TWO_CHECKPOINTS = """
import sys, torch
from pathlib import Path
from refsam_zoo.training.checkpoint_files import WholeCheckpoints

for number in range(2):
    WholeCheckpoints().save_checkpoint({"number": number, "weights": torch.zeros(20_000)}, Path(sys.argv[1]))
"""


def test_the_earlier_checkpoint(disk: Path) -> None:
    """There is room for one of 80 kB and not for the next beside it."""
    path, copy = disk / "last.ckpt", disk.with_name("copy")
    shell = [*UNSHARE, "sh", "-c", ON_SMALL_DISK, "sh", str(disk), "150k", str(copy)]
    command = [*shell, sys.executable, "-c", TWO_CHECKPOINTS, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.stderr.splitlines()[-1].endswith(f"InputError: {path} cannot be written: No space left on device")
    assert torch.load(copy / "last.ckpt", weights_only=True)["number"] == 0
    assert [each.name for each in copy.iterdir()] == ["last.ckpt"]


def test_shards(ref_shapes: Path, disk: Path) -> None:
    assert "000000.tar cannot be written" in refusal(["shard", str(ref_shapes), str(disk / "shards")], disk, "32k")
    assert not list(disk.rglob("*.*"))


@pytest.mark.parametrize("name", ["parts.safetensors", "parts.pth"])
def test_weights(name: str, checkpoint: Path, disk: Path) -> None:
    arguments = ["convert", str(checkpoint), str(disk / name), "--components=[mask_decoder]"]
    assert f"{disk / name} cannot be written: " in refusal(arguments, disk, "256k")
    assert list(disk.iterdir()) == []


def test_a_data_set(disk: Path) -> None:
    assert f"{disk / 'data'}: RefShapes cannot be written here: " in refusal(
        ["synthesize", str(disk / "data"), "--train_videos=2", "--image_size=64", "--frames=6"], disk, "32k"
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
