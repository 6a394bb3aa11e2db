from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats.refcoco import RefCOCOWriter, write_refcoco

from refsam_zoo.clips.reading import read_clip
from refsam_zoo.data_modules import RefCOCO
from refsam_zoo.data_modules.refcoco import FILES, parse_refcoco
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral


@pytest.mark.parametrize("dataset", FILES)
def test_it_shows_the_same_pixels(shapes: list[Referral], tmp_path: Path, dataset: str) -> None:
    writer = RefCOCOWriter(tmp_path, dataset)
    originals = [r for r in shapes if dataset == "grefcoco" or len(r.object_ids) == 1]
    for number, referral in enumerate(originals):
        writer.add(referral, "train" if number % 3 else "testB")
    writer.finish()
    found = {r.expression_id: r for split in ("train", "testB") for r in parse_refcoco(tmp_path, dataset, split)}
    assert len(found) == len(originals)
    for number, original in enumerate(originals):
        copy = found[str(number)]
        first, second = read_clip([original], [0]), read_clip([copy], [0, 0, 0])
        assert copy.expression == original.expression
        assert len(copy.object_ids) == len(original.object_ids)
        assert first.masks is not None
        assert second.masks is not None
        for time in range(3):
            np.testing.assert_array_equal(second.frames[time], first.frames[0])
            np.testing.assert_array_equal(second.masks[0, time], first.masks[0, 0])


@pytest.fixture
def root(shapes: list[Referral], tmp_path: Path) -> Path:
    write_refcoco(tmp_path, shapes)
    return tmp_path


def test_polygons_are_drawn(root: Path) -> None:
    clip = read_clip([parse_refcoco(root, "refcoco", "train")[0]], [0])
    assert clip.masks is not None
    assert clip.masks.all()


def test_the_data_module_makes_clips_of_images(root: Path) -> None:
    data = RefCOCO(root, workers=0, clip_frames=3, expressions_per_clip=2)
    data.setup("fit")
    data.setup("test")
    assert data.subset_names == ["test", "testB", "text_blind"]
    assert next(iter(data.train_dataloader())).frames.shape == (1, 3, 3, 64, 64)
    assert all(batch.frames.shape[1] == 1 for loader in data.test_dataloader() for batch in loader)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["annotations"].clear(), r"ann_id: there is no annotation"),
        (lambda c: c["images"].clear(), r"image_id: there is no image"),
        (lambda c: c["images"][0].update(id=[]), r"images\.0\.id: expected a whole number, got \[\]"),
        (lambda c: c["annotations"].append(c["annotations"][0]), r"the id \d+ is there already: annotations\.0"),
        (lambda c: c["images"][0].update(file_name="x.jpg"), r"the image is missing: .*x\.jpg"),
        (lambda c: c["images"][0].update(file_name="../x.jpg"), r"'\.\./x\.jpg' cannot be the name"),
        (lambda c: c["annotations"][0].update(segmentation=[[1, 2]]), r"segmentation\.0: a polygon is a list"),
        (lambda c: c["annotations"][0].update(segmentation=[["a"] * 6]), r"segmentation\.0: a polygon is a list"),
        (lambda c: c["annotations"][0].update(segmentation=[]), "segmentation: there is no polygon"),
        (lambda c: c["annotations"][0].update(segmentation=None), r"segmentation: expected a list, got null"),
    ],
)
def test_wrong_instances_are_refused(root: Path, change: Callable[[Any], object], message: str) -> None:
    file = root / "refcoco" / "instances.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        parse_refcoco(root, "refcoco", "train")


def test_missing_refs_are_named(root: Path) -> None:
    (root / "refcoco" / "refs(unc).p").unlink()
    with pytest.raises(InputError, match=r"refs\(unc\)\.p: cannot read"):
        parse_refcoco(root, "refcoco", "train")
