from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from refsam_zoo.clips.reading import read_clip
from refsam_zoo.data_modules import RefShapes
from refsam_zoo.errors import InputError
from refsam_zoo.synthesis import SynthesisOptions

OPTIONS = SynthesisOptions(
    train_videos=3, val_videos=2, test_videos=4, motion_videos=1, relation_videos=0, occlusion_videos=0,
    unseen_videos=0, image_size=64, frames=6,
)  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "shapes"
    RefShapes(folder, OPTIONS, workers=0).prepare_data()
    return folder


def test_it_generates_where_nothing_is_and_keeps_what_is_there(root: Path) -> None:
    files = {file: file.stat().st_mtime_ns for file in root.rglob("*")}
    RefShapes(root, OPTIONS).prepare_data()
    RefShapes(root).prepare_data()
    assert {file: file.stat().st_mtime_ns for file in root.rglob("*")} == files


def test_it_refuses_a_root_with_other_options(root: Path) -> None:
    with pytest.raises(InputError, match="frames 6, not 7"):
        RefShapes(root, replace(OPTIONS, frames=7)).prepare_data()


def test_it_serves_train_val_test_and_the_hard_tests_that_are_there(root: Path) -> None:
    data = RefShapes(root, OPTIONS, workers=0, expressions_per_clip=2)
    data.setup("fit")
    data.setup("test")
    assert data.subset_names == ["test", "motion", "text_blind"]
    assert len(data.train_dataloader()) == 3
    batch = next(iter(data.train_dataloader()))
    assert batch.frames.shape == (1, 3, 3, 64, 64)
    assert len(batch.expressions) == 2
    assert [len(loader) for loader in data.test_dataloader()] == [4, 1, 4]


def test_kinds_choose_the_expressions(root: Path) -> None:
    data = RefShapes(root, kinds=["attribute"])
    everything = RefShapes(root).referrals("test")
    chosen = data.referrals("test")
    assert chosen == [referral for referral in everything if referral.tags["kind"] == "attribute"]
    assert 0 < len(chosen) < len(everything)
    assert data.referrals("motion")
    with pytest.raises(InputError, match="kind 'atribute'; did you mean 'attribute'"):
        RefShapes(root, kinds=["atribute"]).referrals("test")


def test_video_files_show_the_same_frames_as_the_pictures(root: Path) -> None:
    pictures = RefShapes(root).referrals("test")
    videos = RefShapes(root, frames_from="mp4").referrals("test")
    assert {referral.source.path.suffix for referral in videos} == {".mp4"}
    for picture, video in zip(pictures[:3], videos[:3], strict=True):
        first, second = (read_clip([referral], [0, 3, 5]) for referral in (picture, video))
        assert abs(first.frames.astype(int) - second.frames.astype(int)).mean() < 12
        assert first.masks is not None
        assert second.masks is not None
        assert (first.masks == second.masks).all()


def test_missing_video_files_are_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Videos.*\.mp4: the video file is missing"):
        RefShapes(root, frames_from="mp4").referrals("train")
    shutil.copytree(root, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "test" / "Videos")
    with pytest.raises(InputError, match=r"Videos.*\.mp4: the video file is missing"):
        RefShapes(tmp_path / "copy", frames_from="mp4").setup("test")
