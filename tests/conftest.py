"""Tiny data sets and runs for every test that needs one."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
from hypothesis import settings
from PIL import Image
from warm_process import WarmProcess

from refsam_zoo.clips.reading import read_clip
from refsam_zoo.data_modules.refer_youtube_vos import parse_refer_youtube_vos
from refsam_zoo.preparation.shard_writer import write_shards
from refsam_zoo.synthesis import SynthesisOptions, synthesize
from refsam_zoo.types import Referral

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("many", deadline=None, max_examples=8000, database=None)
settings.load_profile("repeatable")  # --hypothesis-profile=many searches for longer

DEMO = Path(__file__).parents[1] / "configs" / "demo.yaml"
TINY = SynthesisOptions(
    train_videos=6,
    val_videos=3,
    test_videos=3,
    motion_videos=1,
    relation_videos=0,
    occlusion_videos=0,
    unseen_videos=0,
    image_size=64,
    frames=6,
    mp4="tests",
)


def pytest_collection_finish() -> None:
    """Lets the garbage collector pass over all that the tests import, again and again, which is never garbage."""
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Gives back what extensions complain about when it is still there at the end of the process."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def ref_shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "ref_shapes"
    synthesize(root, TINY)
    return root


@pytest.fixture(scope="session")
def tiny_command(ref_shapes: Path) -> Callable[..., list[str]]:
    """Gives a function: command, run folder and further options -> arguments for epochs of three steps."""

    def arguments(command: str, run: Path, *more: object) -> list[str]:
        return [
            command,
            f"--config={DEMO}",
            f"--data.root={ref_shapes}",
            "--data.synthesis=null",
            "--data.clip_frames=1",
            "--data.epoch_length=6",
            "--data.batch_size=2",
            "--data.workers=0",
            "--trainer.limit_val_batches=3",
            "--trainer.log_every_n_steps=1",
            "--trainer.enable_model_summary=false",
            f"--trainer.default_root_dir={run}",
            *(str(option) for option in more),
        ]

    return arguments


@pytest.fixture(scope="session")
def warm_process() -> Iterator[WarmProcess]:
    """For programs that need a process of their own."""
    process = WarmProcess()
    yield process
    process.close()


SENTENCES = {"1": "the bright box on the left", "2": "the dark box"}
TreeWriter = Callable[..., Path]


def write_video(folder: Path, video: str, frames: int, height: int = 48, width: int = 64) -> list[str]:
    """Two boxes that move over noise, with their masks."""
    names = [f"{5 * number:05d}" for number in range(frames)]
    rng = np.random.default_rng(len(video))
    for time, name in enumerate(names):
        ids = np.zeros((height, width), np.uint8)
        ids[4:20, 4 + time : 24 + time] = 1
        ids[26:44, 40 - time : 56 - time] = 2
        picture = rng.integers(90, 110, (height, width, 3), dtype=np.uint8)
        picture[ids == 1] = 230
        picture[ids == 2] = 20
        for kind in ("JPEGImages", "Annotations"):
            (folder / kind / video).mkdir(parents=True, exist_ok=True)
        (folder / "JPEGImages" / video / f"{name}.jpg").write_bytes(simplejpeg.encode_jpeg(picture, quality=95))
        mask = Image.frombytes("P", (width, height), ids.tobytes())
        mask.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
        mask.save(folder / "Annotations" / video / f"{name}.png")
    return names


def write_tree(root: Path, split: str = "train", videos: dict[str, int] | None = None, truth: bool = True) -> Path:
    """A data set in the layout of Ref-YouTube-VOS; `videos` maps names to numbers of frames."""
    entries: dict[str, Any] = {}
    for video, frames in (videos or {"aa": 5, "bb": 9, "cc": 3}).items():
        names = write_video(root / split, video, frames)
        expressions = {
            number: {"exp": f"{sentence} of {video}", **({"obj_id": number} if truth else {})}
            for number, sentence in SENTENCES.items()
        }
        entries[video] = {"expressions": expressions, "frames": names}
    folder = root / "meta_expressions" / split
    folder.mkdir(parents=True)
    (folder / "meta_expressions.json").write_text(json.dumps({"videos": entries}))
    return root


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> list[Referral]:
    """The test split of a tiny RefShapes, to be written in other formats."""
    root = tmp_path_factory.mktemp("shapes") / "data"
    options = SynthesisOptions(
        train_videos=0, val_videos=0, test_videos=4, motion_videos=0, relation_videos=0, occlusion_videos=0,
        unseen_videos=0, image_size=64, frames=6, mp4="tests",
    )  # fmt: skip
    synthesize(root, options)
    return parse_refer_youtube_vos(root, "test")


@pytest.fixture(scope="session")
def agree() -> Callable[[Referral, Referral, Sequence[int]], None]:
    """Makes sure that a referral read from another format shows the same as the one it was written from."""

    def compare(original: Referral, copy: Referral, positions: Sequence[int]) -> None:
        """`positions` are those of the original that the copy has."""
        assert copy.expression == original.expression
        assert copy.video_id == original.video_id
        assert len(copy.frames) == len(positions)
        first, second = read_clip([original], positions), read_clip([copy], range(len(positions)))
        assert first.masks is not None
        assert second.masks is not None
        np.testing.assert_array_equal(first.masks, second.masks)
        np.testing.assert_array_equal(first.frames, second.frames)

    return compare


@pytest.fixture
def make_tree(tmp_path: Path) -> TreeWriter:
    """Writes a split of a tiny data set below a root of the test."""

    def make(split: str = "train", **options: Any) -> Path:
        return write_tree(tmp_path / "data", split, **options)

    return make


@pytest.fixture
def sharded(make_tree: TreeWriter, tmp_path: Path) -> tuple[Path, Path]:
    """A folder with nine videos, and its shards of two videos."""
    root = make_tree(videos={name: 3 for name in "abcdefghi"})
    list(write_shards(root, tmp_path / "shards", videos_per_shard=2, workers=1))
    return root, tmp_path / "shards"
