from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from formats.ref_davis import pick, write_converted, write_original

from refsam_zoo.clips.reading import group_by_video, read_clip
from refsam_zoo.data_modules import RefDAVIS17
from refsam_zoo.data_modules.ref_davis import TEXTS, parse_ref_davis
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral


@pytest.mark.parametrize("form", ["original", "converted"])
def test_both_forms_show_the_same_pixels(
    shapes: list[Referral], agree: Callable[..., None], tmp_path: Path, form: str
) -> None:
    videos = pick(shapes)
    (write_converted if form == "converted" else lambda root, videos: write_original(root, videos, {}))(
        tmp_path, videos
    )
    found = {(r.video_id, int(r.expression_id)): r for r in parse_ref_davis(tmp_path, "val")}
    assert len(found) == 4 * sum(len(objects) for objects in videos.values())
    for video, objects in videos.items():
        for place, object_id in enumerate(sorted(objects, key=str)):
            for annotator in range(4):
                copy = found[video, 4 * place + annotator]
                assert copy.expression == f"{objects[object_id].expression}, said {annotator}"
                assert copy.tags == {"annotator": str(annotator)}
                assert copy.object_ids == (object_id,)
    copy = found[video, 0]
    original = objects[copy.object_ids[0]]
    agree(original, type(copy)(**{**copy.__dict__, "expression": original.expression}), range(6))


def test_both_forms_give_the_same_referrals(shapes: list[Referral], tmp_path: Path) -> None:
    videos = pick(shapes)
    write_original(tmp_path / "a", videos, {})
    write_converted(tmp_path / "b", videos)
    first, second = (parse_ref_davis(tmp_path / name, "val") for name in "ab")
    assert [(r.video_id, r.expression_id, r.expression, r.object_ids, r.frames, r.tags) for r in first] == [
        (r.video_id, r.expression_id, r.expression, r.object_ids, r.frames, r.tags) for r in second
    ]
    for original, converted in zip(group_by_video(first), group_by_video(second), strict=True):
        clips = [read_clip(referrals, range(6)) for referrals in (original, converted)]
        np.testing.assert_array_equal(clips[0].frames, clips[1].frames)
        np.testing.assert_array_equal(clips[0].masks, clips[1].masks)


def test_misspelt_videos_are_found_and_accents_read(shapes: list[Referral], tmp_path: Path) -> None:
    objects = next(iter(pick(shapes).values()))
    write_original(tmp_path, {"classic-car": objects}, {"classic-car": "clasic-car"})
    text = tmp_path / "davis_text_annotations" / TEXTS[2][0]
    text.write_text(text.read_text(encoding="latin-1").replace("the", "thé", 1), encoding="latin-1")
    davis = tmp_path / "DAVIS"
    for folder in ("JPEGImages", "Annotations_unsupervised"):
        video = next((davis / folder / "480p").iterdir())
        video.rename(video.with_name("classic-car"))
    found = parse_ref_davis(tmp_path, "val")
    assert {referral.video_id for referral in found} == {"classic-car"}
    assert sum("thé" in referral.expression for referral in found) == 1


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"a dog"', "a dog"),
        ("a dog", "a dog"),
        ('" a  dog "', "a dog"),
        ("\u201ca dog\u201d", "a dog"),
        ("\u201ea dog\u201c", "a dog"),
        ("\u00aba dog\u00bb", "a dog"),
        ("\x93a dog\x94", "a dog"),
        ("'a dog'", "a dog"),
        ("\u2018a dog\u2019", "a dog"),
        ('"a dog', "a dog"),
        ('a dog"', "a dog"),
        ('the man with "stop" on him', 'the man with "stop" on him'),
        ('"the man with "stop" on him"', 'the man with "stop" on him'),
        ('"stop" on a man', '"stop" on a man'),
        ("the dogs'", "the dogs'"),
        ("x", "x"),
    ],
)
def test_quotes_are_taken_off_where_they_are(shapes: list[Referral], tmp_path: Path, written: str, read: str) -> None:
    video, objects = next(iter(pick(shapes).items()))
    write_original(tmp_path, {video: {1: next(iter(objects.values()))}}, {})
    for number, (name, _) in enumerate(TEXTS):
        encoding = ("utf-8", "utf-8-sig", "utf-16", "utf-8")[number]
        (tmp_path / "davis_text_annotations" / name).write_text(f"{video} 1 {written}\n", encoding=encoding)
    assert [referral.expression for referral in parse_ref_davis(tmp_path, "val")] == [read] * len(TEXTS)


def test_annotations_that_disagree_about_objects_are_refused(shapes: list[Referral], tmp_path: Path) -> None:
    write_original(tmp_path, pick(shapes), {})
    text = tmp_path / "davis_text_annotations" / TEXTS[1][0]
    text.write_text("".join(text.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(InputError, match=r"val\.txt: line \d: the text annotations name different objects"):
        parse_ref_davis(tmp_path, "val")


def test_missing_parts_are_named(shapes: list[Referral], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Davis17_annot1\.txt: cannot read"):
        parse_ref_davis(tmp_path, "val")
    write_original(tmp_path, pick(shapes), {})
    shutil.rmtree(tmp_path / "DAVIS" / "JPEGImages")
    with pytest.raises(InputError, match=r"one of its folders is missing: .*JPEGImages"):
        parse_ref_davis(tmp_path, "val")


def test_the_data_module_evaluates_on_val(shapes: list[Referral], tmp_path: Path) -> None:
    write_original(tmp_path, pick(shapes), {})
    data = RefDAVIS17(tmp_path, workers=0, window=6)
    data.setup("test")
    batches = list(data.test_dataloader()[0])
    assert len(batches) == len(group_by_video(data.referrals("test")))
