from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats.mevis import write_fevos, write_lv_vis, write_mevis, write_mevis_v2, write_ref_sav, write_revos

from refsam_zoo.clips.reading import read_clip
from refsam_zoo.data_modules import LVVIS, FeVOS, MeViS, RefSAV, ReVOS
from refsam_zoo.data_modules.mevis import parse_mevis
from refsam_zoo.data_modules.recognition import recognise
from refsam_zoo.data_modules.ref_sav import parse_ref_sav
from refsam_zoo.data_modules.revos import parse_revos
from refsam_zoo.errors import InputError
from refsam_zoo.external_masks import referrals_asked
from refsam_zoo.types import Referral


@pytest.fixture
def root(shapes: list[Referral], tmp_path: Path) -> Path:
    write_mevis(tmp_path, shapes)
    return tmp_path


def test_mevis_shows_the_same_pixels(shapes: list[Referral], agree: Callable[..., None], root: Path) -> None:
    found = parse_mevis(root, "valid_u")
    assert {min(2, len(referral.object_ids)) for referral in found} == {0, 1, 2}
    for original, copy in zip(shapes, found, strict=True):
        agree(original, copy, range(6))


def test_the_data_module_takes_valid_u_for_test_and_valid_for_prediction(root: Path) -> None:
    data = MeViS(root, workers=0)
    data.setup("test")
    data.setup("fit")
    sentences = json.loads((root / "train" / "meta_expressions.json").read_text())
    for video in sentences["videos"].values():
        for said in video["expressions"].values():
            del said["obj_id"], said["anno_id"]
    shutil.copytree(root / "train" / "JPEGImages", root / "valid" / "JPEGImages")
    (root / "valid" / "meta_expressions.json").write_text(json.dumps(sentences))
    data.setup("predict")
    assert all(batch.masks is None for batch in data.predict_dataloader())


def test_version_2_says_which_sentences_have_no_target(
    shapes: list[Referral], agree: Callable[..., None], tmp_path: Path
) -> None:
    write_mevis_v2(tmp_path, shapes)
    found = MeViS(tmp_path).referrals("test")
    for original, copy in zip(shapes, found, strict=True):
        agree(original, copy, range(6))
        assert copy.tags == {"kind": "target" if copy.object_ids else "no target"}
    assert {copy.tags["kind"] for copy in found} == {"target", "no target"}
    assert MeViS(tmp_path).protocol == "mevis_v2"
    for split in ("valid_u", "train"):  # as it is downloaded, train alone is recognised as well
        assert list(recognise(tmp_path).splits)[-1] == split
        shutil.rmtree(tmp_path / split)


def test_of_two_versions_one_must_be_chosen(shapes: list[Referral], root: Path) -> None:
    file = root / "valid_u" / "meta_expressions.json"
    sentences = json.loads(file.read_text())
    for video in sentences["videos"].values():
        video["expressions"] = {"7": {"exp": "a horse", "obj_id": [], "anno_id": []}}
    (root / "valid_u" / "meta_expressions_v2_release.json").write_text(json.dumps(sentences))
    assert list(MeViS.splits(root)) == ["train v1", "valid_u v1", "valid_u v2"]
    with pytest.raises(InputError, match=r"versions 1 and 2 of MeViS are there; say which with version"):
        MeViS(root).referrals("test")
    first, second = MeViS(root, version=1), MeViS(root, version=2)
    assert (len(first.referrals("test")), first.protocol) == (len(shapes), "mevis")
    assert ({each.expression for each in second.referrals("test")}, second.protocol) == ({"a horse"}, "mevis_v2")
    assert [len(referrals_asked(name, root, "test")) for name in ("mevis", "mevis_v2")] == [len(shapes), 4]
    assert MeViS.protocol_of(root, "valid_u v2") == MeViS.of_folder(root).protocol == "mevis_v2"


def test_packed_frames_are_named_once(root: Path) -> None:
    shutil.rmtree(root / "train" / "JPEGImages")
    (root / "train" / "JPEGImages.tar").write_bytes(b"")
    with pytest.raises(InputError, match=r"train/JPEGImages\.tar: the pictures are still packed; unpack it to"):
        parse_mevis(root, "train")


def test_fevos_is_the_same_format_elsewhere(shapes: list[Referral], agree: Callable[..., None], tmp_path: Path) -> None:
    write_fevos(tmp_path, shapes)
    for role in ("test", "predict"):
        for original, copy in zip(shapes, FeVOS(tmp_path).referrals(role), strict=True):
            agree(original, copy, range(6))
    shutil.rmtree(tmp_path / "JPEGImages")
    (tmp_path / "JPEGImages.zip").write_bytes(b"")
    with pytest.raises(InputError, match=r"JPEGImages\.zip: the pictures are still packed"):
        FeVOS(tmp_path).referrals("test")


def test_revos_and_lv_vis_are_the_same_format_elsewhere(
    shapes: list[Referral], agree: Callable[..., None], tmp_path: Path
) -> None:
    write_revos(tmp_path, shapes)
    for original, copy in zip(shapes, parse_revos(tmp_path, "valid"), strict=True):
        agree(original, copy, range(6))
    assert len(ReVOS(tmp_path).referrals("test")) == len(shapes)
    write_lv_vis(tmp_path / "lvvis", shapes)
    for original, copy in zip(shapes, parse_mevis(tmp_path / "lvvis", "train"), strict=True):
        agree(original, copy, range(6))
    data = LVVIS(tmp_path / "lvvis", holdout=0.25)
    assert len(data.referrals("train")) + len(data.referrals("val")) == len(shapes)


def test_ref_sav_reads_numbered_frames_of_video_files(shapes: list[Referral], tmp_path: Path) -> None:
    write_ref_sav(tmp_path, shapes)
    for original, copy in zip(shapes, parse_ref_sav(tmp_path), strict=True):
        assert copy.expression == original.expression
        assert copy.tags == {"type": "1"}
        first, second = read_clip([original], [1, 5]), read_clip([copy], [1, 5])
        assert first.masks is not None
        assert second.masks is not None
        np.testing.assert_array_equal(first.masks, second.masks)
        assert np.abs(first.frames.astype(int) - second.frames).mean() < 12
    with pytest.raises(InputError, match="no training split"):
        RefSAV(tmp_path).setup("fit")


def test_masks_are_read_in_any_of_cocos_forms(root: Path) -> None:
    runs = [4 * 64 + 8, *[30, 34] * 19, 30]
    box = {"size": [64.0, 64.0], "counts": [*runs, 64 * 64 - sum(runs)]}
    forms = [[[4, 8, 24, 8, 24, 38, 4, 38]], box, None, []]

    def change(masks: dict[str, Any]) -> None:
        for frames in masks.values():
            frames[: len(forms)] = forms

    change_masks(root, change)
    file = root / "train" / "mask_dict.json"
    file.write_text(file.read_text(), encoding="utf-8-sig")
    expected = np.zeros((4, 64, 64), bool)
    expected[:2, 8:38, 4:24] = True
    for referral in parse_mevis(root, "train"):
        if referral.object_ids:
            assert referral.masks is not None
            np.testing.assert_array_equal(referral.masks.read(range(4), (64, 64)), expected)


def change_masks(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = root / "train" / "mask_dict.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("100"), r"anno_id\.0: there is no annotation 100 in .*mask_dict\.json"),
        (lambda m: m["100"].pop(), r"anno_id\.0: annotation 100 has 5 masks in .*mask_dict\.json, the video 6 frames"),
        (lambda m: m["100"].append(3), r"mask_dict\.json: 100\.6: expected a mapping, got a number"),
        (lambda m: m["100"][0].pop("size"), r"mask_dict\.json: 100\.0: the key 'size' is missing"),
        (lambda m: m["100"][0].update(size=[64]), r"100\.0: the size must be height and width"),
        (lambda m: m["100"][0].update(size=[64, -1]), r"100\.0\.size\.1: -1 is not between"),
        (lambda m: m["100"][0].update(counts=None), r"100\.0\.counts: expected a list, got null"),
    ],
)
def test_wrong_masks_are_refused_at_the_start(
    root: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    change_masks(root, change)
    with pytest.raises(InputError, match=message):
        parse_mevis(root, "train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": "abc"}, "frame 0 is damaged"),
        ({"counts": "\u00e9\u00e9"}, "frame 0 is damaged"),
        ({"counts": [4097]}, "frame 0 is damaged"),
        ({"counts": []}, "frame 0 is damaged"),
        ({"size": [32, 128]}, "the mask of frame 0 is 32x128 pixels, its frame 64x64"),
    ],
)
def test_damaged_masks_are_refused_when_read(root: Path, change: dict[str, Any], message: str) -> None:
    change_masks(root, lambda masks: masks["100"][0].update(change))
    referrals = parse_mevis(root, "train")
    with pytest.raises(InputError, match=message):
        list(map(read_clip, [[referral] for referral in referrals], [[0]] * len(referrals)))


def test_masks_follow_the_natural_order_of_names(
    shapes: list[Referral], agree: Callable[..., None], root: Path
) -> None:
    names = {f"{number:05d}": f"frame{number + 7}" for number in range(6)}
    file = root / "valid_u" / "meta_expressions.json"
    sentences = json.loads(file.read_text())
    for video_id, video in sentences["videos"].items():
        folder = root / "valid_u" / "JPEGImages" / video_id
        for old, new in names.items():
            (folder / f"{old}.jpg").rename(folder / f"{new}.jpg")
        video["frames"] = sorted(names.values())
    file.write_text(json.dumps(sentences))
    for original, copy in zip(shapes, parse_mevis(root, "valid_u"), strict=True):
        assert copy.frames == tuple(names.values())
        agree(original, copy, range(6))
