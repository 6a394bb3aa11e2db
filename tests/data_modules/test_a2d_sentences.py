from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from formats.a2d_sentences import ANNOTATED, write_a2d_sentences

from refsam_zoo.data_modules import A2DSentences
from refsam_zoo.data_modules.a2d_sentences import parse_a2d_sentences
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral, VideoSource


@pytest.fixture
def root(shapes: list[Referral], tmp_path: Path) -> Path:
    write_a2d_sentences(tmp_path, shapes)
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
