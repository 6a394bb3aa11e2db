from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from refsam_zoo import evaluate
from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.images import ImageSample, encode, grefcoco_scores
from refsam_zoo.types import Referral


def _run_lengths(filled: int) -> dict[str, Any]:
    """The first pixels of a 10 x 20 image, column by column, uncompressed."""
    return {"size": [10, 20], "counts": [0, filled, 200 - filled]}


RUNS = _run_lengths(50)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """IoU exactly 60/100, 50/100 and 100/100, and one image without target that a model declines."""
    truth = {
        "images": [{"id": number, "height": 10, "width": 20} for number in range(4)],
        "annotations": [{"image_id": number, "segmentation": _run_lengths(100)} for number in range(3)],
    }
    predictions = [
        {"image_id": number, "segmentation": _run_lengths(filled), "score": score}
        for number, queries in enumerate([[(60, 0.9), (100, 0.1)], [(50, 0.9)], [(40, 0.5), (100, 0.5)], [(10, 0.9)]])
        for filled, score in queries
    ]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "predictions.json").write_text(json.dumps([*predictions, {"image_id": 3, "no_target": True}]))
    return tmp_path / "predictions.json", tmp_path / "truth.json"


def test_evaluators_differ_at_thresholds(files: tuple[Path, Path]) -> None:
    predictions, truth = files
    lavt = evaluate(predictions, "refcoco", truth)
    assert [row["intersection"] for row in lavt.rows] == [60, 50, 100, 0]  # of equal scores the last counts
    assert lavt.scores["precision_at_0.5"] == 0.75
    assert evaluate(predictions, "refcoco_cris", truth).scores["precision_at_0.5"] == 0.5


def test_no_target_is_the_models_own_word(files: tuple[Path, Path]) -> None:
    scores = evaluate(files[0], "grefcoco", files[1]).scores
    assert scores["giou"] == pytest.approx((0.6 + 0.5 + 1 + 1) / 4)
    assert scores["ciou"] == 210 / 300
    assert (scores["n_acc"], scores["t_acc"]) == (1, 1)


def test_grefcoco_in_the_official_order_of_operations() -> None:
    """As ReLA's loop computes it, in percent, over sets whose sums end in other bits in any other order."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        samples, added, both, either, right = [], 0.0, 0, 0, 0
        for number in range(int(rng.integers(40, 60))):
            truth, found = rng.random((2, 9, 11)) < rng.random((2, 1, 1)) + 0.05
            samples.append(ImageSample(str(number), encode(truth), [encode(found)], np.ones(1)))
            intersection, union = int((truth & found).sum()), int((truth | found).sum())
            added += intersection / union
            both, either, right = both + intersection, either + union, right + (intersection / union >= 0.7)
        scores = grefcoco_scores(samples)
        assert 100 * scores["giou"] == 100.0 * (added / len(samples))
        for name, official in (("ciou", both * 100.0 / either), ("precision_at_0.7", right * 100.0 / len(samples))):
            near = {math.nextafter(scores[name], 0), math.nextafter(scores[name], 1)}
            assert 100 * scores[name] == official or official not in {100 * value for value in near}
            assert scores[name] == pytest.approx(official / 100, rel=1e-15)


def test_average_precision_in_both_conventions(tmp_path: Path) -> None:
    """The second query is right, the first has the higher score: only the average over all queries sees it."""
    truth = {
        "images": [{"id": number, "height": 10, "width": 20} for number in range(2)],
        "annotations": [{"image_id": number, "segmentation": _run_lengths(100)} for number in range(2)],
    }
    predictions = [
        {"image_id": number, "segmentation": _run_lengths(filled), "score": score}
        for number in range(2)
        for filled, score in ((100, 0.5), (20, 0.9))
    ]
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "predictions.json").write_text(json.dumps(predictions))
    scores = evaluate(tmp_path / "predictions.json", "a2d_sentences", tmp_path / "truth.json").scores
    assert scores["map_best_query"] == 0
    assert scores["map_all_queries"] == pytest.approx(0.5)
    assert scores["map_large_all_queries"] == -1
    assert scores["mean_iou"] == pytest.approx(0.2)


def test_missing_images_are_refused_or_empty(files: tuple[Path, Path]) -> None:
    predictions, truth = files
    entries = [entry for entry in json.loads(predictions.read_text()) if entry["image_id"] != 1]
    predictions.write_text(json.dumps(entries))
    with pytest.raises(InputError, match=r"has 3 of 4 masks; 1 missing: 1;"):
        evaluate(predictions, "refcoco", truth)
    scores = evaluate(predictions, "refcoco", truth, on_incomplete="empty").scores
    assert scores["mean_iou"] == pytest.approx((0.6 + 0 + 1 + 0) / 4)


def test_masks_and_results_are_interchangeable(referrals: list[Referral], predictions: Path, tmp_path: Path) -> None:
    """A folder of masks says the same as a file of results with their run lengths."""
    results: list[dict[str, Any]] = []
    for path in sorted(predictions.rglob("*.png")):
        mask = np.array(Image.open(path)) > 0
        encoded = encode(mask)
        segmentation = {**encoded, "counts": encoded["counts"].decode()}
        name = path.relative_to(predictions).with_suffix("").as_posix()
        results.append({"image_id": name, "segmentation": segmentation, "score": 1, "no_target": not mask.any()})
    (tmp_path / "results.json").write_text(json.dumps(results))
    expected = evaluate(predictions, "grefcoco", referrals)
    assert evaluate(tmp_path / "results.json", "grefcoco", referrals) == expected
    assert expected.scores["n_acc"] == 10 / 11  # one false alarm in the eleven frames of each absent target

    one = results[0]
    (tmp_path / "masks").mkdir()
    shutil.copy(predictions / f"{one['image_id']}.png", tmp_path / "masks" / "7.png")
    image = {"id": 7, "height": 40, "width": 60}
    truth = {"images": [image], "annotations": [{"image_id": 7, "segmentation": one["segmentation"]}]}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    assert evaluate(tmp_path / "masks", "refcoco", tmp_path / "truth.json").scores["mean_iou"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "not JSON"),
        ({"a": 1}, "expected a list, got a mapping"),
        ([None], r"0: expected a mapping, got null"),
        ([{"segmentation": RUNS, "score": 1}], r"0: the key 'image_id' is missing"),
        ([{"image_id": None, "segmentation": RUNS, "score": 1}], r"0\.image_id: expected a whole number, got None"),
        ([{"image_id": 0, "score": 1}], r"0: the key 'segmentation' is missing"),
        ([{"image_id": 0, "segmentation": None, "score": 1}], r"0\.segmentation: expected a mapping, got null"),
        ([{"image_id": 0, "segmentation": RUNS}], r"0: the key 'score' is missing"),
        ([{"image_id": 0, "segmentation": RUNS, "score": None}], r"0\.score: expected a number, got None"),
        ([{"image_id": 0, "segmentation": RUNS, "score": "0.9"}], r"0\.score: expected a number, got '0\.9'"),
        ([{"image_id": 0, "segmentation": RUNS, "score": float("nan")}], r"0\.score: expected a number, got nan"),
        ([{"image_id": 0, "no_target": "false"}], r"0\.no_target: expected true or false, got 'false'"),
        ([{"image_id": 0, "segmentation": [[1, 2, 3, 4]], "score": 1}], r"0\.segmentation\.0: a polygon is a list of"),
        (
            [{"image_id": 0, "segmentation": [[1, 2, 9, 9, 1e9, 3]], "score": 1}],
            r"0\.segmentation: a polygon reaches far",
        ),
        (
            [{"image_id": 0, "segmentation": RUNS | {"counts": "\x7f"}, "score": 1}],
            r"0\.segmentation: the mask is damaged",
        ),
        (
            [{"image_id": 0, "segmentation": RUNS | {"counts": [3]}, "score": 1}],
            r"0\.segmentation: the mask is damaged",
        ),
        (
            [{"image_id": 0, "segmentation": {"size": [20, 10], "counts": [200]}, "score": 1}],
            r"0\.segmentation: the mask is 20x10 pixels, its frame 10x20",
        ),
    ],
)
def test_wrong_results_are_named(files: tuple[Path, Path], content: Any, message: str) -> None:
    files[0].write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=f"predictions.json: {message}"):
        evaluate(files[0], "refcoco", files[1], on_incomplete="empty")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda truth: truth.pop("images"), "the key 'images' is missing"),
        (lambda truth: truth["images"].clear(), "images: there is no image"),
        (lambda truth: truth["images"].append(truth["images"][1]), r"images\.4: the id 1 is there already: images\.1"),
        (
            lambda truth: truth["images"][2].update(height="ten"),
            r"images\.2\.height: expected a whole number, got 'ten'",
        ),
        (lambda truth: truth["images"][2].pop("width"), r"images\.2: the key 'width' is missing"),
        (lambda truth: truth.pop("annotations"), "the key 'annotations' is missing"),
        (lambda truth: truth["annotations"][1].update(image_id=9), r"annotations\.1\.image_id: there is no image 9"),
        (lambda truth: truth["annotations"][1].update(segmentation=None), r"annotations\.1\.segmentation: expected a"),
    ],
)
def test_wrong_ground_truth_is_named(files: tuple[Path, Path], change: Callable[[Any], object], message: str) -> None:
    truth = json.loads(files[1].read_text())
    change(truth)
    files[1].write_text(json.dumps(truth))
    with pytest.raises(InputError, match=f"truth.json: {message}"):
        evaluate(files[0], "refcoco", files[1])


def test_missing_files_are_named(files: tuple[Path, Path]) -> None:
    absent = files[0].with_name("absent.json")
    with pytest.raises(InputError, match=r"absent\.json': the data root is missing"):
        evaluate(files[0], "refcoco", absent)
    with pytest.raises(InputError, match=r"absent\.json: cannot read"):
        evaluate(absent, "refcoco", files[1])


def test_whatever_the_format_allows_is_read(tmp_path: Path) -> None:
    """The same masks as polygons, as run lengths of both kinds, with marks, names and sizes of any spelling."""
    box = np.zeros((10, 20), bool)
    box[2:8, 4:12] = True
    compressed = {"size": [10, 20], "counts": encode(box)["counts"].decode()}
    runs = np.diff(np.flatnonzero(np.diff(box.T.ravel(), prepend=False, append=False)), prepend=0)
    spelt = [
        [[4, 2, 12, 2, 12, 8, 4, 8]],
        [[4, 2, 8, 2, 8, 8, 4, 8], [8.0, 2.0, 12.0, 2.0, 12.0, 8.0, 8.0, 8.0]],
        compressed,
        {"size": [10.0, 20.0], "counts": [*runs.tolist(), 200 - int(runs.sum())]},
        [],
    ]
    names: list[Any] = [1, "2", "c d", 4.0, 5]
    results = [{"image_id": name, "segmentation": mask, "score": 1} for name, mask in zip(names, spelt, strict=True)]
    truth = {
        "images": [{"id": name, "height": 10.0, "width": 20} for name in (1, 2, "c d", 4, 5)],
        "annotations": [
            {"image_id": name, "segmentation": mask} for name, mask in zip(names, [*spelt[::-1][1:], []], strict=True)
        ],
    }
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "results.json").write_text(json.dumps(results), encoding=encoding)
        (tmp_path / "truth.json").write_text(json.dumps(truth), encoding=encoding)
        scores = evaluate(tmp_path / "results.json", "refcoco", tmp_path / "truth.json")
        assert [(row["intersection"], row["union"]) for row in scores.rows] == [(48, 48)] * 4 + [(0, 0)]
