from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refsam_zoo.clips.clips import read_clip
from refsam_zoo.data_modules import ReferYouTubeVOS
from refsam_zoo.data_modules.holdout import hold_out
from refsam_zoo.data_modules.refer_youtube_vos import expressions_file, parse_refer_youtube_vos
from refsam_zoo.errors import InputError


def edit(root: Path, change: Callable[[dict[str, Any]], object], split: str = "train") -> None:
    file = expressions_file(root, split)
    content = json.loads(file.read_text())
    change(content["videos"])
    file.write_text(json.dumps(content))


def test_every_sentence_becomes_a_referral_with_its_mask(make_tree: Callable[..., Path]) -> None:
    referrals = parse_refer_youtube_vos(make_tree(), "train")
    assert [(r.video_id, r.expression_id, r.object_ids) for r in referrals] == [
        (video, number, (int(number),)) for video in ("aa", "bb", "cc") for number in ("1", "2")
    ]
    assert referrals[3].expression == "the dark box of bb"
    assert referrals[3].frames == tuple(f"{5 * number:05d}" for number in range(9))
    clip = read_clip(referrals[2:4], [8, 0])
    assert clip.frame_names == ("00040", "00000")
    assert clip.masks is not None
    dark, bright = clip.frames.max(-1) < 60, clip.frames.min(-1) > 170
    assert (clip.masks[0] == bright).mean() > 0.97
    assert (clip.masks[1] == dark).mean() > 0.97


def test_splits_without_ground_truth_have_no_masks(make_tree: Callable[..., Path]) -> None:
    referrals = parse_refer_youtube_vos(make_tree("valid", truth=False), "valid")
    assert all(referral.masks is None and referral.object_ids == () for referral in referrals)


def test_lists_of_objects_and_kinds_are_understood(make_tree: Callable[..., Path]) -> None:
    root = make_tree()
    edit(root, lambda videos: videos["aa"]["expressions"]["1"].update(obj_ids=["1", 2], kind="plural"))
    edit(root, lambda videos: videos["aa"]["expressions"]["2"].update(obj_id="0", obj_ids=[], kind="absent"))
    both, none = parse_refer_youtube_vos(root, "train")[:2]
    assert both.object_ids == (1, 2)
    assert both.tags == {"kind": "plural"}
    clip = read_clip([both, none], [0])
    assert clip.masks is not None
    assert clip.masks[0].sum() == 16 * 20 + 18 * 16
    assert not clip.masks[1].any()


def test_the_holdout_is_a_share_of_the_videos_by_name() -> None:
    names = {f"v{number}" for number in range(100)}
    held_out = hold_out(names, 0.1)
    assert len(held_out) == 10
    assert hold_out(names, 0.1) == held_out
    assert hold_out(names, 0.2) > held_out
    assert len(hold_out({"a", "b"}, 0.01)) == 1
    assert len(hold_out({"a", "b"}, 0.99)) == 1


def test_training_and_holdout_share_no_video_and_prediction_leaves_out_the_test_videos(
    make_tree: Callable[..., Path],
) -> None:
    root = make_tree(videos={name: 3 for name in "abcdefghij"})
    make_tree("valid", videos={"x": 3, "y": 3}, truth=False)
    data = ReferYouTubeVOS(root, holdout=0.3)
    train, val = ({r.video_id for r in data.referrals(role)} for role in ("train", "val"))
    assert len(val) == 3
    assert train | val == set("abcdefghij")
    assert not train & val
    assert data.referrals("test") == data.referrals("val")
    assert {r.video_id for r in data.referrals("predict")} == {"x", "y"}
    make_tree("test", videos={"y": 3}, truth=False)
    assert {r.video_id for r in data.referrals("predict")} == {"x"}


def test_a_missing_root_says_how_to_get_the_data(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing: the data root is missing; .*youtube-vos"):
        ReferYouTubeVOS(tmp_path / "nothing").setup("fit")


def said(**changes: object) -> Callable[[dict[str, Any]], object]:
    """Changes the first sentence about the first video."""
    return lambda videos: videos["aa"]["expressions"]["1"].update(changes)


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "video without frames on disk": (lambda v: v.update(zz=v["aa"]), r"videos\.zz: its folder of frames is missing"),
    "frame without picture": (lambda v: v["aa"]["frames"].append("99999"), r"videos\.aa: frame 99999 is missing"),
    "no frames": (lambda v: v["aa"].update(frames=[]), r"videos\.aa: the list of its frames is empty"),
    "frame twice": (lambda v: v["aa"]["frames"].append("00000"), r"videos\.aa: a frame is listed twice"),
    "frames missing": (lambda v: v["aa"].pop("frames"), r"videos\.aa: the key 'frames' is missing"),
    "frames of numbers": (lambda v: v["aa"].update(frames=[0, 5]), r"videos\.aa\.frames\.0: expected a name"),
    "frame leaves": (lambda v: v["aa"].update(frames=["../00000"]), r"frames\.0: '\.\./00000' cannot be the name"),
    "video leaves": (lambda v: v.update({"../x": v["aa"]}), r"'\.\./x' cannot be the name of a file"),
    "expression id leaves": (
        lambda v: v["aa"]["expressions"].update({"../1": {"exp": "a", "obj_id": "1"}}),
        r"'\.\./1' cannot be the name of a file",
    ),
    "empty expression": (said(exp=" "), r"expressions\.1\.exp: the text is empty"),
    "expression of a number": (said(exp=3), r"1\.exp: expected text"),
    "no sentence": (lambda v: v["aa"]["expressions"]["1"].pop("exp"), r"1: the key 'exp' is missing"),
    "expressions of a list": (lambda v: v["aa"].update(expressions=[]), r"expressions: expected a mapping, got a list"),
    "object of a word": (said(obj_id="one"), r"obj_id: expected a whole number"),
    "object too large": (said(obj_id=10**9), r"obj_id: .*not between 1 and 255"),
    "video of a list": (lambda v: v.update(aa=[]), r"videos\.aa: expected a mapping, got a list"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_annotations_name_file_and_key(make_tree: Callable[..., Path], case: str) -> None:
    root = make_tree()
    change, message = WRONG[case]
    edit(root, change)
    with pytest.raises(InputError, match=message) as caught:
        parse_refer_youtube_vos(root, "train")
    assert "meta_expressions.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"videos": 3}'])
def test_files_that_are_no_annotations_are_refused(make_tree: Callable[..., Path], text: str | None) -> None:
    file = expressions_file(make_tree(), "train")
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    with pytest.raises(InputError, match=r"meta_expressions\.json"):
        parse_refer_youtube_vos(file.parents[2], "train")


def test_training_needs_masks(make_tree: Callable[..., Path]) -> None:
    root = make_tree(truth=False)
    with pytest.raises(InputError, match="train needs ground-truth masks"):
        ReferYouTubeVOS(root).setup("fit")


def test_one_training_video_cannot_be_split(make_tree: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="no expressions for train"):
        ReferYouTubeVOS(make_tree(videos={"a": 3})).setup("fit")


def test_masks_are_read_from_the_index(make_tree: Callable[..., Path]) -> None:
    first = parse_refer_youtube_vos(make_tree(), "train")[0]
    assert first.masks is not None
    mask = first.masks.read([1], (48, 64))
    assert np.argwhere(mask[0]).min(0).tolist() == [4, 5]


def test_frames_are_in_natural_order_whatever_the_order_of_the_file(make_tree: Callable[..., Path]) -> None:
    root = make_tree()
    for kind, suffix in (("JPEGImages", ".jpg"), ("Annotations", ".png")):
        for number in range(9):
            file = root / "train" / kind / "bb" / f"{5 * number:05d}{suffix}"
            file.rename(file.with_name(f"{5 * number}{suffix}"))
    edit(root, lambda videos: videos["bb"].update(frames=sorted(str(5 * number) for number in range(9))))
    bright = parse_refer_youtube_vos(root, "train")[2]
    assert bright.frames == tuple(str(5 * number) for number in range(9))
    masks = read_clip([bright], range(9)).masks
    assert masks is not None
    lefts = masks[0].any(axis=1).argmax(axis=1)
    assert np.diff(lefts).tolist() == [1] * 8, "the box moves by a pixel a frame"
