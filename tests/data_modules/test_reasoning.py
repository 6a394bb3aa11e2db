"""ReasonVOS, GroundMoRe and InterRVOS-127K."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from formats.masks import write_truth
from formats.reasoning import (
    TYPES,
    single,
    write_groundmore,
    write_inter_rvos,
    write_reason_vos,
    write_reordered_reason_vos,
)

from refsam_zoo.data_modules import GroundMoRe, InterRVOS, ReasonVOS
from refsam_zoo.data_modules.groundmore import parse_groundmore
from refsam_zoo.data_modules.inter_rvos import parse_inter_rvos
from refsam_zoo.data_modules.reason_vos import parse_reason_vos
from refsam_zoo.errors import InputError
from refsam_zoo.external_masks import evaluate
from refsam_zoo.types import Referral

SIZE = (64, 64)


@pytest.mark.parametrize("write", [write_reason_vos, write_reordered_reason_vos])
def test_reason_vos_is_scored_on_the_frames_of_its_objects(
    write: Callable[..., None], shapes: list[Referral], tmp_path: Path
) -> None:
    write(tmp_path / "data", shapes)
    found = parse_reason_vos(tmp_path / "data")
    for original, copy in zip(single(shapes), found, strict=True):
        assert copy.video_id == f"MOSE_{original.video_id}_{original.object_ids[0]}"
        assert (copy.expression, copy.expression_id) == (original.expression, original.expression_id)
        assert (len(copy.frames), copy.scored) == (6, (0, 1, 2, 3, 4))
        assert copy.masks is not None
        assert original.masks is not None
        np.testing.assert_array_equal(copy.masks.read(range(5), SIZE), original.masks.read(range(5), SIZE))
    masks = write_truth(found, tmp_path / "masks")
    assert evaluate(masks, "reason_vos", tmp_path / "data").scores["jf"] == 1.0


def test_reason_vos_without_the_key_videos(shapes: list[Referral], tmp_path: Path) -> None:
    write_reason_vos(tmp_path, shapes)
    file, before = tmp_path / "meta_expressions.json", parse_reason_vos(tmp_path)
    file.write_text(json.dumps(json.loads(file.read_text())["videos"]))
    assert parse_reason_vos(tmp_path) == before
    with pytest.raises(InputError, match="ReasonVOS is for evaluation"):
        ReasonVOS(tmp_path).referrals("train")


def test_a_missing_object_of_reason_vos_is_named(shapes: list[Referral], tmp_path: Path) -> None:
    write_reason_vos(tmp_path, shapes)
    shutil.rmtree(next((tmp_path / "Annotations").iterdir()))
    with pytest.raises(InputError, match=r"expressions\.\d+: the folder of its masks is missing: .*Annotations"):
        parse_reason_vos(tmp_path)


def test_the_target_of_groundmore_is_there_during_its_action(shapes: list[Referral], tmp_path: Path) -> None:
    write_groundmore(tmp_path / "data", shapes)
    found = parse_groundmore(tmp_path / "data", "test")
    for original, copy in zip(single(shapes), found, strict=True):
        assert copy.masks is not None
        assert original.masks is not None
        masks = copy.masks.read(range(30), SIZE)
        assert not masks[:6].any()
        np.testing.assert_array_equal(masks[6:18], np.tile(original.masks.read(range(6), SIZE), (2, 1, 1)))
        assert not masks[18:].any()
    masks = write_truth(found, tmp_path / "masks")
    scores = evaluate(masks, "groundmore", tmp_path / "data").scores
    assert {scores[f"{name.lower()}_jf"] for name in TYPES} == {scores["jf"]} == {1.0}


def test_a_mask_of_groundmore_too_early_costs_its_frame(shapes: list[Referral], tmp_path: Path) -> None:
    write_groundmore(tmp_path / "data", shapes)
    found = parse_groundmore(tmp_path / "data", "test")
    always = [replace(each, masks=replace(each.masks, start=5)) for each in found]  # type: ignore[type-var]
    early = sum(bool(each.masks.read([5], SIZE).any()) for each in always if each.masks is not None)
    scores = evaluate(write_truth(always, tmp_path / "masks"), "groundmore", tmp_path / "data").scores
    assert scores["jf"] == pytest.approx(1 - early / len(found) / 30)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("_0105_0110", "_clip", r"the name of a video must end in two moments"),
        ("1:06", "1:0x", r"action_start: expected a whole number, got '0x'"),
        ("1:06", "1:1:1:6", r"action_start: a moment is m:ss or h:mm:ss"),
    ],
)
def test_wrong_moments_are_named(old: str, new: str, message: str, shapes: list[Referral], tmp_path: Path) -> None:
    write_groundmore(tmp_path, shapes)
    file = tmp_path / "test_v2.json"
    file.write_text(file.read_text().replace(old, new))
    for folder in list((tmp_path / "annotations").iterdir()):
        folder.rename(folder.with_name(folder.name.replace(old, new)))
    with pytest.raises(InputError, match=message):
        parse_groundmore(tmp_path, "test")


def test_groundmore_holds_out_training_videos(shapes: list[Referral], tmp_path: Path) -> None:
    write_groundmore(tmp_path, shapes)
    data = GroundMoRe(tmp_path, holdout=0.5)
    videos = [{referral.video_id for referral in data.referrals(role)} for role in ("train", "val", "test")]
    assert not videos[0] & videos[1]
    assert videos[0] | videos[1] == videos[2]


def test_actors_and_targets_are_apart(shapes: list[Referral], tmp_path: Path) -> None:
    write_inter_rvos(tmp_path / "data", shapes)
    named = [referral for referral in shapes if referral.object_ids]
    actors, targets = (parse_inter_rvos(tmp_path / "data", "val", role) for role in ("actor", "target"))
    assert len(actors) == len(named)
    assert len(targets) == sum(len(referral.object_ids) > 1 for referral in named) > 0
    for role, found in ((slice(1), actors), (slice(1, None), targets)):
        originals = {(each.video_id, each.expression_id): each for each in named}
        for copy in found:
            original = originals[copy.video_id, copy.expression_id]
            part = replace(original.masks, object_ids=original.object_ids[role])  # type: ignore[type-var]
            assert copy.masks is not None
            np.testing.assert_array_equal(copy.masks.read(range(6), SIZE), part.read(range(6), SIZE))
    data = InterRVOS(tmp_path / "data", workers=0, text_blind=False)
    data.setup("test")
    assert data.subset_names == ["test", "target"]
    masks = write_truth(targets, tmp_path / "masks")
    assert evaluate(masks, "inter_rvos", tmp_path / "data", split="val target").scores["jf"] == 1.0


def test_inter_rvos_by_the_names_of_its_evaluator(shapes: list[Referral], tmp_path: Path) -> None:
    write_inter_rvos(tmp_path, shapes)
    before = parse_inter_rvos(tmp_path, "val")
    for name in ("meta_expressions.json", "mask_dict.json"):
        (tmp_path / "val" / name).rename(tmp_path / "val" / f"new_{name}")
    found = InterRVOS(tmp_path).referrals("val")
    assert [(each.video_id, each.object_ids) for each in found] == [(each.video_id, each.object_ids) for each in before]
