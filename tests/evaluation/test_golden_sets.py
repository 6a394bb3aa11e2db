"""Equality, to the last bit, with every value of the golden sets, where they are at hand."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from refsam_zoo import evaluate
from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.counts import contour_accuracy, count_pixels, region_similarity
from refsam_zoo.evaluation.protocols import PROTOCOLS
from refsam_zoo.evaluation.statistics import Statistics
from refsam_zoo.types import Referral, VideoSource
from refsam_zoo.video.masks import PaletteMasks

GOLDEN = Path(__file__).parents[3] / "shared" / "evaluation"
pytestmark = [
    pytest.mark.skipif(not (GOLDEN / "golden.json").is_file(), reason="the golden sets are not here"),
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    values: dict[str, Any] = json.loads((GOLDEN / "golden.json").read_text())
    return values


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    for name in ("main", "shapes", "refdavis", "odd"):
        with zipfile.ZipFile(GOLDEN / f"{name}.zip") as archive:
            archive.extractall(folder / name)
    return folder


def _same(found: object, expected: float | None) -> bool:
    """JSON has no NaN: it is written as null."""
    return found == expected or (expected is None and isinstance(found, float) and math.isnan(found))


def _by_object(rows: Any) -> dict[str, dict[str, Any]]:
    return {f"{row['video_id']}_{row['object_id']}": row for row in rows}


OFFICIAL = {
    "J": "j",
    "F": "f",
    "JF": "jf",
    "J_recall": "j_recall",
    "J_decay": "j_decay",
    "F_recall": "f_recall",
    "F_decay": "f_decay",
}
OFFICIAL_TOTALS = {
    "J&F-Mean": "jf",
    "J-Mean": "j",
    "J-Recall": "j_recall",
    "J-Decay": "j_decay",
    "F-Mean": "f",
    "F-Recall": "f_recall",
    "F-Decay": "f_decay",
}


@pytest.mark.parametrize("group", ["main", "shapes"])
@pytest.mark.parametrize("threads", [1, 2])
def test_davis17(group: str, threads: int, golden: dict[str, Any], unpacked: Path) -> None:
    found = evaluate(unpacked / group / "results", "davis17", unpacked / group, threads=threads)
    rows, expected = _by_object(found.rows), golden[group]["davis"]
    assert rows.keys() == expected["objects"].keys()
    for name, values in expected["objects"].items():
        assert all(_same(rows[name][ours], values[theirs]) for theirs, ours in OFFICIAL.items()), name
    assert {theirs: found.scores[ours] for theirs, ours in OFFICIAL_TOTALS.items()} == expected["global"]


@pytest.mark.parametrize("group", ["main", "shapes"])
@pytest.mark.parametrize("protocol", ["vos_benchmark", "vos_benchmark_all_frames"])
def test_vos_benchmark(protocol: str, group: str, golden: dict[str, Any], unpacked: Path) -> None:
    found = evaluate(unpacked / group / "results", protocol, unpacked / group)
    rows, expected = _by_object(found.rows), golden[group][protocol]
    assert rows.keys() == expected["objects_x100"].keys()
    for name, values in expected["objects_x100"].items():
        assert (rows[name]["j"] * 100, rows[name]["f"] * 100) == (values["J"], values["F"]), name
    for measure, value in expected["global_x100"].items():
        assert np.mean([row[measure.lower()] * 100 for row in rows.values()]) == value


@pytest.mark.parametrize("video", ["late", "gap", "vanish", "extra", "void255", "twoframes"])
def test_evaluators_disagree_where_they_do(video: str, golden: dict[str, Any], unpacked: Path, tmp_path: Path) -> None:
    for kind in ("Annotations/480p", "results"):
        (tmp_path / kind).mkdir(parents=True)
        (tmp_path / kind / video).symlink_to(unpacked / "odd" / kind / video)
    davis, vos = golden["odd"][video]["davis"], golden["odd"][video]["vos_x100"]
    if isinstance(davis, str):  # the official evaluator leaves
        with pytest.raises(InputError, match="shows object 3"):
            evaluate(tmp_path / "results", "davis17", tmp_path)
    else:
        rows = _by_object(evaluate(tmp_path / "results", "davis17", tmp_path).rows)
        assert {name: (row["j"], row["f"]) for name, row in rows.items()} == {
            name: (values["J"], values["F"]) for name, values in davis.items()
        }
    rows = _by_object(evaluate(tmp_path / "results", "vos_benchmark", tmp_path).rows)
    assert {name: (row["j"] * 100, row["f"] * 100) for name, row in rows.items()} == {
        name: (values["J"], values["F"]) for name, values in vos.items()
    }


def test_ref_davis17(golden: dict[str, Any], unpacked: Path, tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"anno_{number}").symlink_to(unpacked / "refdavis" / f"anno_{number}")
    found = evaluate(tmp_path, "ref_davis17", unpacked / "refdavis")
    expected = golden["refdavis"]
    for number, values in enumerate(expected["annotators"]):
        annotator = f"anno_{number}"
        rows = _by_object([row for row in found.rows if row["annotator"] == annotator])
        for name, scores in values["objects"].items():
            assert all(_same(rows[name][ours], scores[theirs]) for theirs, ours in OFFICIAL.items()), name
        totals = {theirs: found.scores[f"{annotator}/{ours}"] for theirs, ours in OFFICIAL_TOTALS.items()}
        assert totals == values["global"]
    means = {theirs: found.scores[ours] for theirs, ours in OFFICIAL_TOTALS.items()}
    assert means == expected["mean_over_annotators"]
    found = evaluate(tmp_path, "ref_davis17_without_matching", unpacked / "refdavis")
    unmatched = [found.scores[f"anno_{number}/jf"] for number in range(4)]
    assert unmatched == expected["sensitivity_JF_per_annotator"]["no_hungarian"]


def _referral(video: Path, expression_id: str, object_ids: list[int], frames_of: Path) -> Referral:
    names = tuple(sorted(path.stem for path in video.glob("*.png")))
    masks = PaletteMasks(video, names, tuple(object_ids))
    return Referral(video.name, expression_id, "a thing", tuple(object_ids), names, VideoSource(frames_of), masks=masks)


def _blank_video(folder: Path, like: Path) -> Path:
    """Frames of the size of some masks."""
    folder.mkdir(parents=True, exist_ok=True)
    for mask in like.glob("*.png"):
        Image.new("RGB", Image.open(mask).size).save(folder / f"{mask.stem}.jpg")
    return folder


def _write_masks(source: Path, target: Path, object_ids: list[int]) -> None:
    target.mkdir(parents=True)
    for path in source.glob("*.png"):
        chosen = np.isin(np.array(Image.open(path)), object_ids)
        Image.fromarray(chosen.astype(np.uint8) * 255).save(target / path.name)


def test_mevis(golden: dict[str, Any], unpacked: Path, tmp_path: Path) -> None:
    expected = golden["mevis"]
    referrals = []
    for name, values in expected["expressions"].items():
        video, expression_id = values["video"], name.rpartition("_")[2]
        truth = unpacked / "main" / "Annotations" / "480p" / video
        frames = _blank_video(tmp_path / "frames" / video, truth)
        referrals.append(_referral(truth, expression_id, values["object_ids"], frames))
        predicted = unpacked / "main" / "results" / video
        _write_masks(predicted, tmp_path / "masks" / video / expression_id, values["object_ids"])
    found = evaluate(tmp_path / "masks", "mevis", referrals)
    rows = {f"{row['video_id']}_{row['expression_id']}": (row["j"], row["f"]) for row in found.rows}
    assert rows == {name: (values["J"], values["F"]) for name, values in expected["expressions"].items()}
    assert found.scores.items() >= {"j": expected["J"], "f": expected["F"], "jf": expected["JF"]}.items()


def test_ref_davis17_expressions(golden: dict[str, Any], unpacked: Path, tmp_path: Path) -> None:
    expected = golden["refdavis"]["per_expression"]
    referrals = []
    for name in expected["expr"]:
        video, object_id, annotator = name.replace("anno", "anno_").split("_", 2)
        truth = unpacked / "refdavis" / "Annotations_unsupervised" / "480p" / video
        frames = _blank_video(tmp_path / "frames" / video, truth)
        expression_id = f"{object_id}_{annotator}"
        referrals.append(_referral(truth, expression_id, [int(object_id)], frames))
        predicted = unpacked / "refdavis" / annotator / video
        _write_masks(predicted, tmp_path / "masks" / video / expression_id, [int(object_id)])
    found = evaluate(tmp_path / "masks", "ref_davis17_expressions", referrals)
    rows = {f"{row['video_id']}_{row['expression_id']}".replace("anno_", "anno"): row for row in found.rows}
    assert {name: [row["j"], row["f"]] for name, row in rows.items()} == expected["expr"]
    assert found.scores["jf"] == expected["JF"]


def test_functions_and_statistics(golden: dict[str, Any]) -> None:
    def mask(flat: Any, shape: list[int]) -> np.ndarray:
        inverted = isinstance(flat, str)
        result = np.full(shape, inverted).reshape(-1)
        result[json.loads(flat.removeprefix("complement:")) if inverted else flat] = not inverted
        return result.reshape(1, *shape)

    for case in golden["functions"]:
        counts = count_pixels(mask(case["pred"], case["shape"]), mask(case["gt"], case["shape"]))
        found = region_similarity(counts).item(), contour_accuracy(counts).item()
        assert found == (case["J"], case["F"]), case["name"]
    for case in golden["db_statistics"]["cases"]:
        statistics = Statistics.of(np.array(case["values"]))
        assert (statistics.mean, statistics.recall) == (case["M"], case["R"])
        assert _same(statistics.decay, case["D"]), case["n"]


def _image_files(samples: list[dict[str, Any]], folder: Path) -> tuple[Path, Path]:
    """Writes golden samples as COCO results and COCO ground truth."""
    height, width = 120, 160
    images = [{"id": sample["image_id"], "height": height, "width": width} for sample in samples]
    annotations = [
        {"image_id": sample["image_id"], "segmentation": sample["gt"]} for sample in samples if sample["gt"] is not None
    ]
    results: list[dict[str, Any]] = []
    for sample in samples:
        results += [
            {"image_id": sample["image_id"], "segmentation": prediction["rle"], "score": prediction["score"]}
            for prediction in sample["preds"]
        ]
        if sample["pred_nt"]:
            results.append({"image_id": sample["image_id"], "no_target": True})
    (folder / "predictions.json").write_text(json.dumps(results))
    (folder / "truth.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return folder / "predictions.json", folder / "truth.json"


def test_images(tmp_path: Path) -> None:
    golden = json.loads((GOLDEN / "image_golden.json").read_text())
    targeted = [golden["samples"][number] for number in golden["a2d"]["image_ids"]]
    files = _image_files(targeted, tmp_path)

    def precisions(scores: dict[str, float]) -> list[float]:
        return [value for name, value in scores.items() if name.startswith("precision_at")]

    a2d, expected = evaluate(files[0], "a2d_sentences", files[1]).scores, golden["a2d"]
    assert precisions(a2d) == expected["P@0.5..0.9 (strict >)"]
    assert (a2d["overall_iou"], a2d["mean_iou"]) == (expected["overall_iou"], expected["mean_iou"])
    names = {
        "0.5:0.95": "map",
        "0.5": "map_50",
        "0.75": "map_75",
        "S": "map_small",
        "M": "map_medium",
        "L": "map_large",
    }
    for theirs, ours in names.items():
        assert a2d[f"{ours}_all_queries"] == pytest.approx(expected["mAP"][theirs], abs=1e-7)

    counts = evaluate(files[0], "refcoco", files[1])
    assert [row["intersection"] for row in counts.rows] == golden["refcoco"]["I"]
    assert [row["union"] for row in counts.rows] == golden["refcoco"]["U"]
    lavt, cris = (
        next(golden["refcoco"][key] for key in golden["refcoco"] if key.startswith(who)) for who in ("LAVT", "CRIS")
    )
    assert [counts.scores["mean_iou"], counts.scores["overall_iou"]] == [lavt["mIoU"], lavt["oIoU"]]
    assert precisions(counts.scores) == lavt["P"]
    found = evaluate(files[0], "refcoco_cris", files[1]).scores
    assert (found["mean_iou"], precisions(found)) == (cris["mIoU"], cris["P"])

    files = _image_files(golden["samples"], tmp_path)
    found, expected = evaluate(files[0], "grefcoco", files[1]).scores, golden["grefcoco"]
    assert (100 * found["giou"], 100 * found["ciou"]) == (expected["gIoU"], expected["cIoU"])
    assert (found["t_acc"], found["n_acc"]) == (expected["T_acc"], expected["N_acc"])
    assert [100 * value for value in precisions(found)] == [expected[f"Pr@0.{digit}"] for digit in "789"]
    found, expected = evaluate(files[0], "reason_seg", files[1]).scores, golden["lisa (restated)"]
    assert found == {"giou": expected["gIoU"], "ciou": expected["cIoU"]}


def test_every_protocol_has_a_golden_value() -> None:
    tested = {"davis17", "vos_benchmark", "vos_benchmark_all_frames", "mevis", "ref_davis17_expressions"}
    tested |= {"ref_davis17", "ref_davis17_without_matching"}
    tested |= {"a2d_sentences", "refcoco", "refcoco_cris", "grefcoco", "reason_seg"}
    same_rule = {"davis17_unsupervised", "ref_youtube_vos", "ref_shapes", "mevis_v2", "long_rvos", "jhmdb_sentences"}
    same_rule |= {"reason_vos", "groundmore", "inter_rvos"}  # what they score is in tests/data_modules
    assert PROTOCOLS.keys() == tested | same_rule
