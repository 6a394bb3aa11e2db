from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.synthesis import SPLITS, SynthesisOptions, synthesize
from refsam_zoo.types import VideoSource
from refsam_zoo.video.readers import open_video

ONE_VIDEO_EACH: dict[str, Any] = {f"{split}_videos": 1 for split in SPLITS}
TINY = SynthesisOptions(image_size=96, frames=6, **ONE_VIDEO_EACH)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dataset") / "shapes"
    synthesize(root, TINY)
    return root


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_layout_is_that_of_ref_youtube_vos(root: Path) -> None:
    frames = [f"{number:05d}" for number in range(6)]
    for split in SPLITS:
        asked = json.loads((root / "meta_expressions" / split / "meta_expressions.json").read_text())["videos"]
        shown = json.loads((root / split / "meta.json").read_text())["videos"]
        assert list(asked) == list(shown) == [f"{split}_00000"]
        for video, entry in asked.items():
            assert entry["frames"] == frames
            assert list(entry["expressions"]) == [str(number) for number in range(len(entry["expressions"]))]
            assert sorted(path.name for path in (root / split / "JPEGImages" / video).iterdir()) == [
                f"{name}.jpg" for name in frames
            ]
            masks = [Image.open(root / split / "Annotations" / video / f"{name}.png") for name in frames]
            assert {(mask.mode, mask.size) for mask in masks} == {("P", (96, 96))}
            for number, thing in shown[video]["objects"].items():
                visible = [
                    name for name, mask in zip(frames, masks, strict=True) if (np.array(mask) == int(number)).any()
                ]
                assert thing["frames"] == visible != []
            named = {number for item in entry["expressions"].values() for number in item["obj_ids"]}
            assert named <= set(shown[video]["objects"])


def test_the_video_files_of_the_tests_show_the_frames(root: Path) -> None:
    assert {path.parts[-3] for path in root.rglob("*.mp4")} == set(SPLITS) - {"train", "val"}
    for path in root.rglob("*.mp4"):
        frames = sorted((path.parents[1] / "JPEGImages" / path.stem).iterdir())
        pictures = np.stack([np.asarray(Image.open(frame)) for frame in frames])
        with open_video(VideoSource(path)) as reader:
            decoded = reader.read(range(6))
        assert decoded.shape == pictures.shape
        assert np.abs(decoded.astype(int) - pictures).mean() < 6


def test_two_workers_write_the_same_bytes(root: Path, tmp_path: Path) -> None:
    synthesize(tmp_path / "shapes", TINY, workers=2)
    assert contents(tmp_path / "shapes") == contents(root)


def test_a_video_depends_on_its_seed_and_number_alone(root: Path, tmp_path: Path) -> None:
    synthesize(tmp_path / "more", dataclasses.replace(TINY, train_videos=2, val_videos=0, mp4="none"))
    synthesize(tmp_path / "other", dataclasses.replace(TINY, seed=1, mp4="none"))
    reference, more, other = contents(root), contents(tmp_path / "more"), contents(tmp_path / "other")
    masks = [name for name in reference if name.startswith("train/Annotations")]
    assert len(masks) == 6
    assert all(more[name] == reference[name] for name in masks)
    assert all(other[name] != reference[name] for name in masks)
    assert not (tmp_path / "more" / "val").exists()


def test_the_same_data_set_is_left_alone(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    synthesize(root, TINY)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_another_data_set_is_never_overwritten(root: Path, tmp_path: Path) -> None:
    before = contents(root)
    with pytest.raises(InputError, match="seed 0, not 7"):
        synthesize(root, dataclasses.replace(TINY, seed=7))
    assert contents(root) == before
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(InputError, match="no RefShapes data set"):
        synthesize(tmp_path, TINY)
    assert contents(tmp_path) == {"precious.txt": b"mine"}


def test_a_data_set_of_another_version_is_refused(root: Path, tmp_path: Path) -> None:
    record = json.loads((root / "refshapes.json").read_text())
    (tmp_path / "refshapes.json").write_text(json.dumps(record | {"version": 0}))
    with pytest.raises(InputError, match="version 0"):
        synthesize(tmp_path, TINY)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/shapes cannot be written: "):
        synthesize(tmp_path / "file" / "shapes", TINY)


def test_an_empty_folder_is_filled(root: Path, tmp_path: Path) -> None:
    synthesize(tmp_path, TINY)
    assert contents(tmp_path) == contents(root)


def test_an_interruption_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import signal\n"
        "from pathlib import Path\n"
        "from refsam_zoo.synthesis import SynthesisOptions, synthesize\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        f"synthesize(Path({str(tmp_path / 'shapes')!r}), SynthesisOptions(train_videos=100000))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.rglob("*.png")) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert list(tmp_path.rglob("*.png")), "nothing was written within a minute"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) != 0
    finally:
        process.kill()
    assert list(tmp_path.iterdir()) == []
