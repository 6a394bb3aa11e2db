"""What labelling tools export, read by `ReferringFolder`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats.labelling_tools import SIZE, WRITERS, masks_of, named
from PIL import Image

from refsam_zoo.clips.reading import read_clip
from refsam_zoo.data_modules import ReferringFolder
from refsam_zoo.data_modules.referring_folder import parse_referring_folder
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_sentences_and_pixels(name: str, shapes: list[Referral], tmp_path: Path) -> None:
    WRITERS[name](tmp_path, shapes)
    found = {(each.video_id.removesuffix(".mp4"), each.expression): each for each in parse_referring_folder(tmp_path)}
    videos = list(named(shapes).values())[: 1 if name == "cvat_folder" else None]
    wanted = {(each.video_id, each.expression): each for sentences in videos for each in sentences}
    assert set(found) == set(wanted)
    for key, copy in found.items():
        assert len(copy.frames) == 6
        assert copy.masks is not None
        np.testing.assert_array_equal(copy.masks.read(range(6), SIZE), masks_of(wanted[key]), str(key))
    assert read_clip([copy], [5]).frames.shape == (1, *SIZE, 3)


def test_frames_that_nobody_looked_at_are_left_out(shapes: list[Referral], tmp_path: Path) -> None:
    WRITERS["x_anylabeling_folder"](tmp_path, shapes)
    for file in tmp_path.rglob("00003.json"):
        file.unlink()
    assert {len(referral.frames) for referral in parse_referring_folder(tmp_path)} == {5}
    ReferringFolder(tmp_path, workers=0, text_blind=False).setup("fit")


def edit_json(root: Path, name: str, change: Callable[[Any], object]) -> None:
    file = next(iter(sorted(root.rglob(name))))
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def edit_xml(root: Path, pattern: str, text: str) -> None:
    file = root / "annotations.xml"
    file.write_text(re.sub(pattern, text, file.read_text(), count=1))


WRONG: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "box in X-AnyLabeling": (
        "x_anylabeling_folder",
        lambda root: edit_json(root, "00000.json", lambda file: file["shapes"][0].update(shape_type="rectangle")),
        r"00000\.json: shapes\.0\.shape_type: 'rectangle' is no mask; draw a polygon or a mask",
    ),
    "box in Label Studio": (
        "label_studio_folder",
        lambda root: edit_json(
            root,
            "annotations.json",
            lambda tasks: tasks[0]["annotations"][0]["result"][1].update(type="rectanglelabels"),
        ),
        r"result\.1\.type: 'rectanglelabels' is no mask",
    ),
    "picture that is not there": (
        "label_studio_folder",
        lambda root: edit_json(root, "annotations.json", lambda tasks: tasks[0]["data"].update(image="/a/b/none.jpg")),
        r"0\.data\.image: there is no such picture in a folder of",
    ),
    "brush of another size": (
        "label_studio_folder",
        lambda root: edit_json(
            root, "annotations.json", lambda tasks: tasks[0]["annotations"][0]["result"][2].update(original_width=65)
        ),
        r"rle: it has 16384 values, its picture of 64x65 pixels four for each",
    ),
    "video that is not there": (
        "youtube_vis_folder",
        lambda root: edit_json(
            root, "annotations.json", lambda file: file["videos"][0].update(file_names=["none/00000.jpg"] * 6)
        ),
        r"videos\.0\.file_names\.0: there is no '.*none'",
    ),
    "path outside": (
        "coco_folder",
        lambda root: edit_json(
            root, "annotations.json", lambda file: file["images"][0].update(file_name="../outside/00000.jpg")
        ),
        r"images\.0\.file_name: '\.\./outside' must be a path inside",
    ),
    "category that is not there": (
        "youtube_vis_folder",
        lambda root: edit_json(root, "annotations.json", lambda file: file["annotations"][0].update(category_id=99)),
        r"annotations\.0\.category_id: there is no category 99",
    ),
    "box in CVAT": (
        "cvat_folder",
        lambda root: edit_xml(root, "<polygon(.*?)</polygon>", r"<box\1</box>"),
        r"annotations\.xml: track 0\.box: 'box' is no mask",
    ),
    "runs in CVAT": (
        "cvat_folder",
        lambda root: edit_xml(root, 'rle="', 'rle="7, '),
        r"track 1\.mask\.rle: the runs do not add up to the box",
    ),
    "declarations in CVAT": (
        "cvat_folder",
        lambda root: edit_xml(root, "^", '<!DOCTYPE a [<!ENTITY b "c">]>'),
        r"annotations\.xml: XML with declarations of its own",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_ground_truth_is_refused(case: str, shapes: list[Referral], tmp_path: Path) -> None:
    name, change, message = WRONG[case]
    WRITERS[name](tmp_path, shapes)
    change(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        parse_referring_folder(tmp_path)
    assert "\n" not in str(caught.value)


def test_pictures_of_a_cvat_archive(shapes: list[Referral], tmp_path: Path) -> None:
    WRITERS["cvat_folder"](tmp_path, shapes)
    next(tmp_path.glob("*.mp4")).unlink()
    (tmp_path / "images").mkdir()
    for number in range(6):
        Image.new("RGB", SIZE).save(tmp_path / "images" / f"frame_{number:06d}.PNG")
    first = parse_referring_folder(tmp_path)[0]
    assert first.frames[0] == "frame_000000"
    assert first.masks is not None
    np.testing.assert_array_equal(first.masks.read(range(6), SIZE), masks_of(next(iter(named(shapes).values()))[0]))
