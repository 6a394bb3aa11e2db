"""Masks of any system are scored against data sets as they lie on disk."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats.catalogue import FORMATS
from formats.masks import write_truth
from PIL import Image

from refsam_zoo.data_modules.refer_youtube_vos import parse_refer_youtube_vos
from refsam_zoo.errors import InputError
from refsam_zoo.external_masks import evaluate, referrals_asked
from refsam_zoo.types import Referral


@pytest.fixture(scope="module")
def shapes(ref_shapes: Path) -> list[Referral]:
    return parse_refer_youtube_vos(ref_shapes, "test")


@pytest.mark.parametrize(
    ("protocol", "written", "score"),
    [
        ("ref_youtube_vos", "refer_youtube_vos", "jf"),
        ("ref_davis17_expressions", "ref_davis", "jf"),
        ("mevis", "mevis", "jf"),
        ("mevis_v2", "mevis_v2", "final"),
        ("mevis", "revos", "jf"),
        ("mevis", "csv_folder", "jf"),
        ("a2d_sentences", "a2d_sentences", "precision_at_0.9"),
        ("jhmdb_sentences", "jhmdb_sentences", "overall_iou"),
        ("refcoco", "refcoco", "overall_iou"),
        ("refcoco_cris", "refcoco", "precision_at_0.5"),
        ("grefcoco", "grefcoco", "ciou"),
    ],
)
def test_data_sets_as_they_come(
    protocol: str, written: str, score: str, shapes: list[Referral], tmp_path: Path
) -> None:
    write = FORMATS[written][1]
    (tmp_path / "data").mkdir()
    write(tmp_path / "data", shapes)
    masks = write_truth(referrals_asked(protocol, tmp_path / "data", "test"), tmp_path / "masks")
    assert evaluate(masks, protocol, tmp_path / "data").scores[score] == 1
    next(masks.rglob("*.png")).unlink()
    with pytest.raises(InputError, match="missing"):
        evaluate(masks, protocol, tmp_path / "data")


@pytest.mark.parametrize("predicted", ["{}.png", "{:05d}.PNG"])
def test_frames_without_leading_zeros(predicted: str, shapes: list[Referral], tmp_path: Path) -> None:
    FORMATS["mevis"][1](tmp_path / "data", shapes)
    file = tmp_path / "data" / "valid_u" / "meta_expressions.json"
    content = json.loads(file.read_text())
    for video in content["videos"].values():
        video["frames"] = sorted(str(int(frame) + 7) for frame in video["frames"])
    file.write_text(json.dumps(content))
    for picture in (tmp_path / "data" / "valid_u" / "JPEGImages").rglob("*.jpg"):
        picture.rename(picture.with_name(f"{int(picture.stem) + 7}.jpg"))
    masks = write_truth(shapes, tmp_path / "masks")
    for mask in sorted(masks.rglob("*.png"), reverse=True):
        (mask.parent / f"._{mask.name}").write_bytes(b"of macOS")
        mask.rename(mask.with_name(predicted.format(int(mask.stem) + 7)))
    archive = shutil.make_archive(str(tmp_path / "zipped"), "zip", masks)
    assert evaluate(archive, "mevis", tmp_path / "data").scores["jf"] == 1


@pytest.mark.parametrize("written", ["ref_davis", "converted_ref_davis"])
@pytest.mark.parametrize("protocol", ["ref_davis17", "ref_davis17_without_matching"])
def test_ref_davis_merges_expressions(protocol: str, written: str, shapes: list[Referral], tmp_path: Path) -> None:
    FORMATS[written][1](tmp_path, shapes)
    truth = tmp_path / ("DAVIS/Annotations_unsupervised/480p" if written == "ref_davis" else "valid/Annotations")
    for video in truth.iterdir():
        maps = {path.name: np.array(Image.open(path)) for path in sorted(video.iterdir())}
        for number in range(4 * int(next(iter(maps.values())).max())):
            folder = tmp_path / "masks" / video.name / str(number)
            folder.mkdir(parents=True)
            for name, labels in maps.items():
                Image.fromarray(labels == number // 4 + 1).save(folder / name)
    scores = evaluate(tmp_path / "masks", protocol, tmp_path).scores
    assert scores["jf"] == scores["anno_3/jf"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "ref_shape"}, "unknown protocol 'ref_shape'; did you mean 'ref_shapes'"),
        ({"protocol": "davis17", "split": "val"}, "has no splits"),
        ({"protocol": "reason_seg"}, "does not ask for expressions"),
        ({"protocol": "mevis", "data": "absent"}, "'absent': the data root is missing"),
        ({"protocol": "ref_shapes", "split": "tset"}, "has no split 'tset'; did you mean 'test'"),
        ({"protocol": "ref_davis17"}, "there are no masks in"),
    ],
)
def test_what_is_wrong_is_named(options: dict[str, Any], message: str, ref_shapes: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        evaluate(tmp_path, **{"data": ref_shapes, **options})
