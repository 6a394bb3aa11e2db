from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.results import read_csv
from refsam_zoo.evaluation_command import evaluate_command

FRAMES = ["00000", "00005", "00010"]


def _write_split(root: Path, split: str) -> None:
    """One video with two objects and a sentence for each, in the layout of Ref-YouTube-VOS."""
    labels = np.zeros((24, 32), np.uint8)
    labels[2:10, 3:12], labels[12:20, 15:30] = 1, 2
    for folder in ("JPEGImages", "Annotations"):
        (root / split / folder / "v").mkdir(parents=True)
    for frame in FRAMES:
        Image.new("RGB", (32, 24)).save(root / split / "JPEGImages" / "v" / f"{frame}.jpg")
        Image.fromarray(labels).save(root / split / "Annotations" / "v" / f"{frame}.png")
    expressions = {str(number): {"exp": f"thing {number}", "obj_id": str(number + 1)} for number in range(2)}
    meta = root / "meta_expressions" / split
    meta.mkdir(parents=True)
    video = {"frames": FRAMES, "expressions": expressions}
    (meta / "meta_expressions.json").write_text(json.dumps({"videos": {"v": video}}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split in ("test", "valid"):
        _write_split(tmp_path / "data", split)
    shutil.rmtree(tmp_path / "data" / "meta_expressions" / "test")
    _write_split(tmp_path / "other", "test")
    shutil.copytree(tmp_path / "other" / "meta_expressions" / "test", tmp_path / "data" / "meta_expressions" / "test")
    return tmp_path / "data"


@pytest.fixture
def masks(root: Path, tmp_path: Path) -> Path:
    """The first sentence answered rightly, the second with the first object."""
    labels = np.array(Image.open(root / "test" / "Annotations" / "v" / "00000.png"))
    for number in range(2):
        folder = tmp_path / "masks" / "v" / str(number)
        folder.mkdir(parents=True)
        for frame in FRAMES:
            Image.fromarray((labels == 1).astype(np.uint8) * 255).save(folder / f"{frame}.png")
    return tmp_path / "masks"


def test_scores_are_printed_and_written(
    root: Path, masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        evaluate_command(masks, protocol="ref_shapes", data=root, output=tmp_path / "out")
    assert "| ref_shapes | points |\n|---|---:|\n| jf | 50.0 |" in capsys.readouterr().out
    assert json.loads((tmp_path / "out-2" / "summary.json").read_text())["scores"]["j"] == 0.5
    rows = read_csv(tmp_path / "out" / "per_expression.csv")
    assert [(row.expression, row.j) for row in rows] == [("thing 0", 1.0), ("thing 1", 0.0)]


def test_incomplete_predictions_are_listed_where_they_are_accepted(
    root: Path, masks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(masks / "v" / "0")
    with pytest.raises(InputError, match="has 3 of 6 masks"):
        evaluate_command(masks, protocol="ref_shapes", data=root)
    evaluate_command(masks, protocol="ref_shapes", data=root, on_incomplete="empty")
    assert "masks expected: 6, found: 3\nmissing: v/0" in capsys.readouterr().out


def test_submissions_are_checked(root: Path, masks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(root / "meta_expressions" / "test")  # it lists videos that are not to be predicted
    with pytest.raises(InputError, match="1 problems, listed above"):
        evaluate_command(masks, protocol="ref_youtube_vos", data=root, check_only=True)
    assert "masks must lie in a folder 'Annotations'" in capsys.readouterr().out
    masks.rename(masks.with_name("Annotations"))
    submission = shutil.make_archive(str(root / "submission"), "zip", root.parent, "Annotations")
    evaluate_command(Path(submission), protocol="ref_youtube_vos", data=root, check_only=True)
    assert "nothing that the server of ref_youtube_vos could stumble over" in capsys.readouterr().out


def test_davis_is_found_inside_ref_davis(masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = tmp_path / "ref-davis" / "DAVIS" / "Annotations_unsupervised" / "480p" / "v"
    shutil.copytree(masks / "v" / "0", truth)
    for path in truth.iterdir():
        Image.fromarray(np.array(Image.open(path)) // 255).save(path)
    for number in range(4):
        shutil.copytree(truth, tmp_path / "maps" / f"anno_{number}" / "v")
    evaluate_command(tmp_path / "maps", protocol="ref_davis17", data=tmp_path / "ref-davis")
    assert "| jf | 100.0 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "ref_shape"}, "did you mean 'ref_shapes'"),
        ({"protocol": "davis17", "split": "val"}, "has no splits"),
        ({"protocol": "davis17", "check_only": True}, "does not ask for expressions"),
        ({"protocol": "mevis", "data": Path("absent")}, "the data root is missing"),
    ],
)
def test_wrong_options(options: dict, message: str, root: Path, masks: Path) -> None:
    with pytest.raises(InputError, match=message):
        evaluate_command(masks, **{"data": root, **options})
