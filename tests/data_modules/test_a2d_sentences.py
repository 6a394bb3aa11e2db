from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from refsam_zoo.data_modules import A2DSentences
from refsam_zoo.data_modules.a2d_sentences import parse_a2d_sentences
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.masks import PaletteMasks

ANNOTATED = (0, 2, 5)
"""Frames with masks, counted from 0."""


def write_h5(path: Path, ids: np.ndarray) -> None:
    """One file as published: masks column by column, a lone instance without its axis."""
    instances = [number for number in np.unique(ids) if number]
    masks = np.stack([(ids == number).T for number in instances]).astype(np.uint8)
    with h5py.File(path, "w") as file:
        file["instance"] = np.array(instances, np.float64)[None]
        file["reMask"] = masks[0] if len(instances) == 1 else masks
        file["reBBox"] = np.zeros((4, len(instances)))


@pytest.fixture
def root(shapes: list[Referral], tmp_path: Path) -> Path:
    """Videos of RefShapes as A2D-Sentences, the last one for testing."""
    texts = tmp_path / "text_annotations"
    (tmp_path / "Release" / "clips320H").mkdir(parents=True)
    texts.mkdir()
    videos = list(dict.fromkeys(referral.video_id for referral in shapes))
    with (tmp_path / "Release" / "videoset.csv").open("w", newline="") as file:
        for video in videos:
            csv.writer(file).writerow([video, 13, "0:00", "0:01", 64, 64, 6, 3, int(video == videos[-1])])
    with (texts / "a2d_annotation.txt").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["video_id", "instance_id", "query"])
        table.writerow([videos[0], "1 (copy)", "a row that everybody drops"])
        table.writerow(["missed", "1", "a video that everybody drops"])
        for referral in shapes:
            if len(referral.object_ids) == 1:
                table.writerow([referral.video_id, referral.object_ids[0], referral.expression])
    (texts / "a2d_missed_videos.txt").write_text("missed\n")
    for referral in {referral.video_id: referral for referral in shapes}.values():
        split = referral.source.path.parents[1]
        video = split / "Videos" / f"{referral.video_id}.mp4"
        (tmp_path / "Release" / "clips320H" / video.name).write_bytes(video.read_bytes())
        assert isinstance(referral.masks, PaletteMasks)
        folder = texts / "a2d_annotation_with_instances" / referral.video_id
        folder.mkdir(parents=True)
        for position, ids in zip(ANNOTATED, referral.masks.read_ids(ANNOTATED, (64, 64)), strict=True):
            write_h5(folder / f"{position + 1:05d}.h5", ids)
    return tmp_path


def test_it_shows_the_same_pixels(shapes: list[Referral], agree: Callable[..., None], root: Path) -> None:
    originals = [referral for referral in shapes if len(referral.object_ids) == 1]
    last = shapes[-1].video_id
    for split, expected in (("train", [r for r in originals if r.video_id != last]), ("test", originals)):
        found = parse_a2d_sentences(root, split)
        kept = [referral for referral in expected if split == "train" or referral.video_id == last]
        assert len(found) == len(kept)
        for original, copy in zip(kept, found, strict=True):
            from_file = VideoSource(original.source.path.parents[1] / "Videos" / f"{original.video_id}.mp4")
            positions = [index for index in ANNOTATED if f"{index + 1:05d}" in copy.frames]
            agree(type(original)(**{**original.__dict__, "source": from_file}), copy, positions)


def test_a_referral_has_only_the_frames_with_its_instance(shapes: list[Referral], root: Path) -> None:
    referral = parse_a2d_sentences(root, "train")[0]
    file = root / "text_annotations" / "a2d_annotation_with_instances" / referral.video_id / "00003.h5"
    with h5py.File(file, "a") as content:
        instances = np.ravel(content["instance"])
        del content["instance"]
        content["instance"] = np.where(instances == referral.object_ids[0], 99, instances)
    assert parse_a2d_sentences(root, "train")[0].frames == tuple(f for f in referral.frames if f != "00003")


def test_the_data_module_holds_out_training_videos(root: Path) -> None:
    data = A2DSentences(root, workers=0, holdout=0.4, clip_frames=2)
    data.setup("fit")
    data.setup("test")
    assert next(iter(data.train_dataloader())).frames.shape == (1, 2, 3, 64, 64)
    train, val, test = ({r.video_id for r in data.referrals(role)} for role in ("train", "val", "test"))
    assert not train & val
    assert not (train | val) & test


def test_missing_and_damaged_files_are_named(root: Path) -> None:
    mask = next((root / "text_annotations" / "a2d_annotation_with_instances").rglob("*.h5"))
    mask.write_bytes(mask.read_bytes()[:100])
    with pytest.raises(InputError, match=r"\.h5: not a readable mask file"):
        [*parse_a2d_sentences(root, "train"), *parse_a2d_sentences(root, "test")]
    (root / "Release" / "videoset.csv").unlink()
    with pytest.raises(InputError, match=r"videoset\.csv: cannot read"):
        parse_a2d_sentences(root, "train")


def test_rows_that_name_nothing_are_refused(root: Path) -> None:
    table = root / "text_annotations" / "a2d_annotation.txt"
    rows = table.read_text().splitlines()
    video = rows[3].split(",")[0]
    for row, message in [
        (f"{video},77,a ghost", "line 2: instance 77 exists in no mask file"),
        (f"{video},x,a ghost", "line 2.instance_id: expected a whole number"),
        (f"{video},1", "line 2: 2 values for 3 columns"),
        (f"{video},1, ", "line 2.query: the text is empty"),
    ]:
        table.write_text("\n".join([rows[0], row]))
        with pytest.raises(InputError, match=message):
            parse_a2d_sentences(root, "train")
    table.write_text("video,instance_id,query\n")
    with pytest.raises(InputError, match="the column 'video_id' is missing; did you mean 'video'"):
        parse_a2d_sentences(root, "train")
