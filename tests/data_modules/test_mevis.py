from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from pycocotools import mask as coco

from refsam_zoo.data_modules import LVVIS, MeViS, RefSAV, ReVOS
from refsam_zoo.data_modules.clips import read_clip
from refsam_zoo.data_modules.mevis import parse_mevis
from refsam_zoo.data_modules.ref_sav import parse_ref_sav
from refsam_zoo.data_modules.revos import parse_revos
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral
from refsam_zoo.video.masks import PaletteMasks


def encode(mask: np.ndarray) -> dict[str, Any] | None:
    if not mask.any():
        return None
    run_lengths = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(run_lengths["size"]), "counts": run_lengths["counts"].decode()}


def annotate(shapes: list[Referral]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two JSON files: sentences, and masks of every object named in any of them."""
    numbers: dict[tuple[str, int], int] = {}
    masks: dict[str, Any] = {}
    videos: dict[str, Any] = {}
    for referral in shapes:
        assert isinstance(referral.masks, PaletteMasks)
        video = videos.setdefault(referral.video_id, {"expressions": {}, "frames": list(referral.frames)[::-1]})
        for object_id in referral.object_ids:
            key = (referral.video_id, object_id)
            if key not in numbers:
                numbers[key] = len(numbers) + 100
                one = PaletteMasks(referral.masks.folder, referral.frames, (object_id,))
                masks[str(numbers[key])] = [encode(mask) for mask in one.read(range(6), (64, 64))]
        video["expressions"][referral.expression_id] = {
            "exp": referral.expression,
            "obj_id": [object_id - 1 for object_id in referral.object_ids],
            "anno_id": [numbers[referral.video_id, object_id] for object_id in referral.object_ids],
        }
    return {"videos": videos}, masks


def write(shapes: list[Referral], expressions: Path, masks: Path, pictures: Path | None) -> None:
    expressions.parent.mkdir(parents=True, exist_ok=True)
    sentences, run_lengths = annotate(shapes)
    expressions.write_text(json.dumps(sentences))
    masks.write_text(json.dumps(run_lengths))
    for source in {referral.source.path for referral in shapes} if pictures else ():
        shutil.copytree(source, pictures / source.name)


@pytest.fixture
def root(shapes: list[Referral], tmp_path: Path) -> Path:
    for split in ("train", "valid_u"):
        folder = tmp_path / split
        write(shapes, folder / "meta_expressions.json", folder / "mask_dict.json", folder / "JPEGImages")
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


def test_revos_and_lv_vis_are_the_same_format_elsewhere(
    shapes: list[Referral], agree: Callable[..., None], tmp_path: Path
) -> None:
    write(shapes, tmp_path / "meta_expressions_valid_.json", tmp_path / "mask_dict.json", tmp_path / "JPEGImages")
    for original, copy in zip(shapes, parse_revos(tmp_path, "valid"), strict=True):
        agree(original, copy, range(6))
    assert len(ReVOS(tmp_path).referrals("test")) == len(shapes)
    train = tmp_path / "lvvis" / "train"
    write(shapes, train / "meta_expressions.json", train / "mask_dict.json", train / "JPEGImages")
    data = LVVIS(tmp_path / "lvvis", holdout=0.25)
    assert len(data.referrals("train")) + len(data.referrals("val")) == len(shapes)


def test_ref_sav_reads_numbered_frames_of_video_files(shapes: list[Referral], tmp_path: Path) -> None:
    original = shapes[0]
    pictures = read_clip([original], range(6)).frames
    video = tmp_path / "videos" / "sav_012" / "sav_012345.mp4"
    video.parent.mkdir(parents=True)
    with av.open(str(video), "w") as container:
        stream = container.add_stream("mpeg4", rate=24, options={"qscale": "2"})
        stream.height, stream.width, stream.pix_fmt = 64, 64, "yuv420p"
        for picture in np.repeat(pictures, 4, axis=0):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    sentences, masks = annotate([original])
    entry = sentences["videos"].pop(original.video_id)
    entry["frames"] = [f"{4 * number:05d}" for number in range(6)]
    entry["expressions"][original.expression_id]["type_id"] = 1
    sentences["videos"]["sav_012345"] = entry
    (tmp_path / "meta_expressions_valid.json").write_text(json.dumps(sentences))
    (tmp_path / "mask_dict.json").write_text(json.dumps(masks))
    (copy,) = parse_ref_sav(tmp_path)
    assert copy.tags == {"type": "1"}
    first, second = read_clip([original], [1, 5]), read_clip([copy], [1, 5])
    assert first.masks is not None
    np.testing.assert_array_equal(first.masks, second.masks)
    assert np.abs(first.frames.astype(int) - second.frames).mean() < 12
    with pytest.raises(InputError, match="no training split"):
        RefSAV(tmp_path).setup("fit")


def change_masks(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = root / "train" / "mask_dict.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("100"), r"anno_id\.0: there is no annotation 100 in .*mask_dict\.json"),
        (lambda m: m["100"].pop(), r"mask_dict\.json: 100: 5 masks for 6 frames"),
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
