from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from formats.masks import write_truth
from formats.refer_youtube_vos import write_refer_youtube_vos
from lightning.pytorch import Trainer
from PIL import Image

from refsam_zoo.callbacks.base import PredictedClip
from refsam_zoo.callbacks.scores import EvaluationCallback
from refsam_zoo.clips.reading import group_by_video, read_clip
from refsam_zoo.data_modules import ReferYouTubeVOS
from refsam_zoo.data_modules.holdout import hold_out
from refsam_zoo.data_modules.refer_youtube_vos import expressions_file, parse_refer_youtube_vos
from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.completeness import IncompleteError
from refsam_zoo.evaluation.metric import RegionContourMetric
from refsam_zoo.external_masks import evaluate
from refsam_zoo.preparation.inspection import inspect_data_set
from refsam_zoo.types import Referral


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


@pytest.fixture
def with_local_truth(shapes: list[Referral], tmp_path: Path) -> Path:
    write_refer_youtube_vos(tmp_path / "data", shapes)
    return tmp_path / "data"


def test_valid_is_a_further_test_where_its_masks_are_there(
    shapes: list[Referral], agree: Callable[..., None], with_local_truth: Path
) -> None:
    data = ReferYouTubeVOS(with_local_truth, workers=0, text_blind=False)
    data.setup("test")
    assert data.subset_names == ["test", "valid"]
    single = [referral for referral in shapes if len(referral.object_ids) == 1]
    for original, copy in zip(single, data.referrals("valid"), strict=True):
        assert copy.scored == (0, 2, 4)
        shown = replace(copy, frames=copy.frames[::2], masks=replace(copy.masks, names=copy.frames[::2]))  # type: ignore[type-var]
        agree(original, shown, range(0, 6, 2))


def test_a_mask_is_wanted_of_every_frame_and_scored_where_there_is_truth(
    shapes: list[Referral], with_local_truth: Path, tmp_path: Path
) -> None:
    single = [referral for referral in shapes if len(referral.object_ids) == 1]
    masks = write_truth(single, tmp_path / "masks")
    for file in masks.rglob("*.png"):
        if int(file.stem) % 2:
            Image.fromarray(np.full((64, 64), 255, np.uint8)).save(file)  # wrong where nobody looks
    found = evaluate(masks, "ref_youtube_vos", with_local_truth, split="valid")
    assert (found.scores["jf"], {row["frames"] for row in found.rows}) == (1.0, {3})
    next(file for file in masks.rglob("*.png") if int(file.stem) % 2).unlink()
    with pytest.raises(IncompleteError, match="1 missing: "):
        evaluate(masks, "ref_youtube_vos", with_local_truth, split="valid")


def test_the_metric_of_test_counts_the_same_frames(with_local_truth: Path) -> None:
    (video, *_) = group_by_video(ReferYouTubeVOS(with_local_truth).referrals("valid"))
    clip = read_clip(video, range(6))
    assert clip.masks is not None
    metric, callback = RegionContourMetric(), EvaluationCallback()
    callback.metrics, callback.descriptions = [metric], [{}]
    truth = torch.from_numpy(clip.masks)
    predictions = truth.clone()
    predictions[:, 1::2] = True
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", enable_progress_bar=False)
    frames = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)
    callback.add(trainer, PredictedClip(clip, frames, predictions, truth, None), 0)
    scores = metric.compute()
    assert scores.frames.tolist() == [3] * len(video)
    assert scores.j.tolist() == [1.0] * len(video)


def test_local_masks_that_nobody_reads_are_refused(with_local_truth: Path) -> None:
    file = next((with_local_truth / "valid" / "Annotations").rglob("*.png"))
    Image.fromarray(np.ones((64, 64), np.uint8)).save(file)
    referral = next(
        each for each in parse_refer_youtube_vos(with_local_truth, "valid") if each.masks.folder == file.parent
    )  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"\.png: the largest value is 1, where pixels above 128 are the target"):
        read_clip([referral], [0])


def test_an_expression_without_its_masks_is_named(with_local_truth: Path) -> None:
    folder = next((with_local_truth / "valid" / "Annotations").glob("*/*"))
    shutil.rmtree(folder)
    with pytest.raises(
        InputError, match=f"valid needs ground-truth masks, but 1 of .*: {folder.name} of video '{folder.parent.name}'"
    ):
        ReferYouTubeVOS(with_local_truth).setup("test")


def test_half_the_ground_truth_trains_nothing(with_local_truth: Path) -> None:
    data = ReferYouTubeVOS(with_local_truth)
    data.referrals = lambda role: parse_refer_youtube_vos(with_local_truth, "valid")  # type: ignore[method-assign]
    with pytest.raises(InputError, match="train needs ground truth of every frame"):
        data.setup("fit")


def test_inspect_says_how_much_ground_truth_there_is(with_local_truth: Path, tmp_path: Path) -> None:
    report = "\n".join(inspect_data_set(with_local_truth, tmp_path / "sheet.png", workers=1))
    expressions = len(parse_refer_youtube_vos(with_local_truth, "valid"))
    assert f"scored       {3 * expressions} of {6 * expressions} masks have ground truth; 0 of {expressions}" in report
