from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import av
import numpy as np
import pytest
from formats.referring_folder import copy_video, write_table
from PIL import Image

from refsam_zoo.annotations.files import is_file_name
from refsam_zoo.clips.reading import read_clip
from refsam_zoo.data_modules import ReferringFolder
from refsam_zoo.data_modules.referring_folder import parse_referring_folder, video_id
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.masks import PaletteMasks

PATHS = ["my  clip", "which one?", "10:30", "#1", " x ", "a\tb", 'he said "go"', "100%", "50%20off", "*", "cafe\u0301"]


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("kind", ["frames", "mp4"])
def test_it_shows_the_same_pixels(
    shapes: list[Referral], agree: Callable[..., None], tmp_path: Path, kind: str, form: str
) -> None:
    originals = [referral for referral in shapes if referral.object_ids]
    rows = [
        {
            **copy_video(tmp_path, referral, kind),
            "expression": referral.expression,
            "object_ids": " ".join(map(str, referral.object_ids)),
        }
        for referral in originals
    ]
    write_table(tmp_path, rows, form)
    for original, copy in zip(originals, parse_referring_folder(tmp_path), strict=True):
        if kind == "mp4":
            split = original.source.path.parents[1]
            original = replace(original, source=VideoSource(split / "Videos" / f"{original.video_id}.mp4"))
        agree(original, replace(copy, video_id=original.video_id), range(6))


@pytest.mark.parametrize("name", [*PATHS, "x" * 250, "a\nb", "back\\slash", ".hidden", "..."])
def test_videos_of_any_name(shapes: list[Referral], tmp_path: Path, name: str) -> None:
    row = copy_video(tmp_path, shapes[0], "frames")
    for kind in ("video", "mask"):
        (tmp_path / row[kind]).rename((tmp_path / row[kind]).with_name(name))
        row[kind] = f"{row[kind].split('/')[0]}/{name}"
    write_table(tmp_path, [row | {"expression": "x"}])
    (referral,) = parse_referring_folder(tmp_path)
    assert read_clip([referral], [0]).masks is not None
    assert is_file_name(referral.video_id)
    if len(name) < 200:
        assert unquote(referral.video_id) == f"videos-{name}"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("videos/my  clip", "videos-my  clip"),
        ("which one?", "which one?"),
        ("videos/10:30", "videos-10:30"),
        ("c:/x", "c%3A-x"),
        ("...", "%2E.."),
        (".hidden", "%2Ehidden"),
        (" ", "%20"),
        ("100%", "100%"),
        ("50%20off", "50%2520off"),
        ("a\nb", "a%0Ab"),
        ("..\\x", "%2E.%5Cx"),
    ],
)
def test_names_of_videos_are_names_of_folders(path: str, name: str) -> None:
    assert video_id(PurePosixPath(path)) == name
    assert is_file_name(name)
    assert unquote(name) == path.replace("/", "-")


def test_without_object_ids_every_object_is_meant(shapes: list[Referral], tmp_path: Path) -> None:
    write_table(tmp_path, [{**copy_video(tmp_path, shapes[0], "frames"), "expression": "everything"}])
    clip = read_clip(parse_referring_folder(tmp_path), [0])
    every = replace(shapes[0].masks, object_ids=tuple(range(1, 256)))  # type: ignore[type-var]
    assert clip.masks is not None
    np.testing.assert_array_equal(clip.masks[0], every.read([0], (64, 64)))


def test_only_frames_with_a_mask_are_used(shapes: list[Referral], tmp_path: Path) -> None:
    row = copy_video(tmp_path, shapes[0], "mp4")
    for name in ("00000", "00002", "00003"):
        (tmp_path / row["mask"] / f"{name}.png").unlink()
    write_table(tmp_path, [{**row, "expression": "x"}])
    (referral,) = parse_referring_folder(tmp_path)
    assert referral.frames == ("00001", "00004", "00005")
    assert referral.source.indices == (1, 4, 5)


def test_videos_without_masks_can_be_predicted(shapes: list[Referral], tmp_path: Path) -> None:
    row = copy_video(tmp_path, shapes[0], "mp4") | {"mask": "", "expression": "x"}
    write_table(tmp_path, [row])
    data = ReferringFolder(tmp_path, workers=0)
    data.setup("predict")
    (batch,) = data.predict_dataloader()
    assert batch.masks is None
    assert batch.frames.shape[1] == 6


def test_splits_come_from_the_table_or_the_holdout(shapes: list[Referral], tmp_path: Path) -> None:
    rows = [{**copy_video(tmp_path, r, "frames"), "expression": r.expression} for r in shapes]
    write_table(tmp_path, rows)
    data = ReferringFolder(tmp_path, holdout=0.3)
    assert len(data.referrals("train")) + len(data.referrals("val")) == len(data.referrals("predict")) == len(rows)
    splits = [("train", "val", "test")[number % 3] for number in range(len(rows))]
    write_table(tmp_path, [row | {"split": split} for row, split in zip(rows, splits, strict=True)])
    assert [len(data.referrals(split)) for split in ("train", "val", "test")] == [
        splits.count(split) for split in ("train", "val", "test")
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video": "../secret.mp4"}, r"line 2\.video: '\.\./secret\.mp4' must be a path inside"),
        ({"video": "/etc/passwd"}, r"line 2\.video: '/etc/passwd' must be a path inside"),
        ({"video": "videos/none.mp4"}, r"line 2\.video: there is no .*none\.mp4"),
        ({"video": "masks"}, r"line 2\.video: .* holds no"),
        ({"mask": "masks/none"}, r"line 2\.mask: there is no .*none"),
        ({"mask": "annotations.csv"}, r"line 2\.mask: .* is not a folder"),
        ({"expression": ""}, r"line 2\.expression: the text is empty"),
        ({"object_ids": "1 x"}, r"line 2\.object_ids: expected a whole number, got 'x'"),
        ({"split": "trian"}, r"line 2\.split: unknown split 'trian'; did you mean 'train'"),
    ],
)
def test_wrong_rows_are_refused(shapes: list[Referral], tmp_path: Path, change: dict[str, str], message: str) -> None:
    row = copy_video(tmp_path, shapes[0], "frames") | {"expression": "x", "object_ids": "1", "split": "train"}
    write_table(tmp_path, [row | change])
    with pytest.raises(InputError, match=message):
        parse_referring_folder(tmp_path)


@pytest.mark.parametrize(
    ("mask", "another", "message"),
    [
        ("00000.png", "00077.png", r"00077\.png: there is no such frame"),
        ("00001.png", "1.png", r"1\.png: frame 00001 has another mask, .*1\.png"),
    ],
)
def test_a_mask_too_many_is_refused(
    mask: str, another: str, message: str, shapes: list[Referral], tmp_path: Path
) -> None:
    row = copy_video(tmp_path, shapes[0], "frames")
    shutil.copy(tmp_path / row["mask"] / mask, tmp_path / row["mask"] / another)
    write_table(tmp_path, [{**row, "expression": "x"}])
    with pytest.raises(InputError, match=message):
        parse_referring_folder(tmp_path)


def test_a_folder_without_table_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"annotations\.csv: cannot read"):
        ReferringFolder(tmp_path).setup("fit")


SPELLINGS: dict[str, Callable[[Path], Path]] = {
    "without leading zeros": lambda path: path.with_name(f"{int(path.stem)}{path.suffix}"),
    "in capitals": lambda path: path.with_suffix(path.suffix.upper()),
    "as words with a number": lambda path: path.with_name(f"frame{int(path.stem) + 8}{path.suffix}"),
}


@pytest.mark.parametrize(
    ("spelling", "which"),
    [
        ("without leading zeros", ("videos",)),
        ("without leading zeros", ("masks",)),
        ("in capitals", ("videos", "masks")),
        ("as words with a number", ("videos", "masks")),
    ],
)
def test_files_may_be_spelled_in_several_ways(
    shapes: list[Referral], agree: Callable[..., None], tmp_path: Path, spelling: str, which: tuple[str, ...]
) -> None:
    row = copy_video(tmp_path, shapes[0], "frames")
    for folder in which:
        for file in sorted((tmp_path / folder).rglob("*.*")):
            (file.parent / f"._{file.name}").write_bytes(b"of macOS")
            file.rename(SPELLINGS[spelling](file))
    write_table(tmp_path, [{**row, "expression": shapes[0].expression, "object_ids": "1"}])
    (copy,) = parse_referring_folder(tmp_path)
    original = replace(shapes[0], object_ids=(1,), masks=replace(shapes[0].masks, object_ids=(1,)))  # type: ignore[type-var]
    agree(original, replace(copy, video_id=original.video_id), range(6))


def test_masks_of_a_video_file_are_in_the_order_of_its_frames(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        for number in range(12):
            Image.fromarray(np.full((64, 64), number + 1, np.uint8)).save(tmp_path / "masks" / f"{number}.png")
            picture = np.full((64, 64, 3), 20 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    write_table(tmp_path, [{"video": "v.mp4", "mask": "masks", "expression": "x"}])
    (referral,) = parse_referring_folder(tmp_path)
    assert referral.frames == tuple(f"{number:05d}" for number in range(12))
    assert isinstance(referral.masks, PaletteMasks)
    assert referral.masks.read_ids(range(12), (64, 64))[:, 0, 0].tolist() == list(range(1, 13))
    levels = read_clip([referral], range(12)).frames.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(levels, np.arange(12) * 20, atol=5)


def test_two_videos_of_one_name_are_refused(shapes: list[Referral], tmp_path: Path) -> None:
    row = copy_video(tmp_path, shapes[0], "frames") | {"expression": "x"}
    other = row["video"].replace("/", "-")
    shutil.copytree(tmp_path / row["video"], tmp_path / other)
    write_table(tmp_path, [row, row, row | {"video": other}])
    with pytest.raises(InputError, match=f"videos '{row['video']}' and '{other}' would both be called '{other}'"):
        parse_referring_folder(tmp_path)


def test_masks_of_16_bits_are_read(shapes: list[Referral], tmp_path: Path) -> None:
    row = copy_video(tmp_path, shapes[0], "frames")
    for file in (tmp_path / row["mask"]).iterdir():
        Image.fromarray((np.asarray(Image.open(file)) > 0).astype(np.uint16) * 65535).save(file)
    write_table(tmp_path, [{**row, "expression": "x", "object_ids": ids} for ids in ("", "65535", "1")])
    every, named, other = (read_clip([referral], range(6)).masks for referral in parse_referring_folder(tmp_path))
    assert every is not None
    assert every.any()
    np.testing.assert_array_equal(every, named)
    assert other is not None
    assert not other.any()
