from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats.catalogue import FORMATS

from refsam_zoo.clips.reading import group_by_video, read_clip
from refsam_zoo.data_modules import Shards
from refsam_zoo.data_modules.recognition import recognise
from refsam_zoo.data_modules.shards import parse_shards
from refsam_zoo.errors import InputError
from refsam_zoo.preparation.shard_writer import group_pixels, write_shards
from refsam_zoo.types import Referral

TreeWriter = Callable[..., Path]


@pytest.mark.parametrize("name", FORMATS)
def test_shards_hold_every_sample_pixel_for_pixel(name: str, shapes: list[Referral], tmp_path: Path) -> None:
    data_module, write = FORMATS[name]
    root, output = tmp_path / "data", tmp_path / "shards"
    root.mkdir()
    write(root, [referral for referral in shapes if referral.video_id in ("test_00000", "test_00001")])
    list(write_shards(root, output, videos_per_shard=1, workers=1))
    splits = data_module.splits(root)
    assert set(Shards.splits(output)) == set(splits)
    assert recognise(output).data_module is Shards
    for split, parse in splits.items():
        originals, copies = group_by_video(parse()), group_by_video(parse_shards(str(output), split))
        assert len(list((output / split).glob("*.tar"))) == len(originals)
        for original, copy in zip(originals, copies, strict=True):
            assert [facts(referral) for referral in copy] == [facts(referral) for referral in original]
            first, second = (read_clip(video, range(len(original[0].frames))) for video in (original, copy))
            np.testing.assert_array_equal(second.frames, first.frames)
            assert (first.masks is None) == (second.masks is None)
            if first.masks is not None and second.masks is not None:
                np.testing.assert_array_equal(second.masks, first.masks)


def facts(referral: Referral) -> tuple[Any, ...]:
    return (
        referral.video_id, referral.expression_id, referral.expression, referral.object_ids, referral.frames,
        referral.tags, referral.masks is None, referral.scored,
    )  # fmt: skip


@pytest.mark.parametrize("number", [1, 3, 12])
def test_pixels_are_grouped_by_the_masks_they_are_in(number: int) -> None:
    masks = np.random.default_rng(number).random((number, 9, 11)) < 0.4
    groups, inside = group_pixels(masks)
    np.testing.assert_array_equal(np.moveaxis(inside[groups], -1, 0), masks)
    assert len(np.unique(inside, axis=0)) == len(inside)


def test_members_are_the_files_of_the_folder(sharded: tuple[Path, Path]) -> None:
    with tarfile.open(sharded[1] / "train" / "000000.tar") as tar:
        assert tar.getnames()[:2] == ["000000.0000.jpg", "000000.0000.mask.png"]
        picture = tar.extractfile("000000.0001.jpg")
        assert picture is not None
        assert picture.read() == (sharded[0] / "train" / "JPEGImages" / "a" / "00005.jpg").read_bytes()


def test_the_same_files_are_written_every_time(sharded: tuple[Path, Path], tmp_path: Path) -> None:
    list(write_shards(sharded[0], tmp_path / "more", videos_per_shard=2, workers=1))
    written = {file.relative_to(tmp_path / "more"): file.read_bytes() for file in (tmp_path / "more").rglob("*.*")}
    assert len(written) == 6
    assert written == {file.relative_to(sharded[1]): file.read_bytes() for file in sharded[1].rglob("*.*")}


def test_an_earlier_split_is_not_overwritten(sharded: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"index\.json: is there already"):
        list(write_shards(*sharded, workers=1))


def test_a_damaged_frame_stops_it_and_leaves_no_half_files(make_tree: TreeWriter, tmp_path: Path) -> None:
    root = make_tree(videos={"a": 3, "b": 3})
    file = root / "train" / "JPEGImages" / "b" / "00005.jpg"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(InputError, match=r"b/00005\.jpg: damaged JPEG"):
        list(write_shards(root, tmp_path / "shards", videos_per_shard=1, workers=1))
    assert [path.name for path in (tmp_path / "shards").rglob("*.*")] == ["000000.tar"]
