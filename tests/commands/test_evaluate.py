"""`refsam-zoo evaluate` as a user types it, and `compare` of what it writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from formats.catalogue import FORMATS
from formats.masks import write_truth
from PIL import Image

from refsam_zoo.cli import main
from refsam_zoo.data_modules.refer_youtube_vos import parse_refer_youtube_vos
from refsam_zoo.evaluation.results import read_csv
from refsam_zoo.inference.mask_folder import MaskFolder
from refsam_zoo.types import Referral


@pytest.fixture(scope="module")
def shapes(ref_shapes: Path) -> list[Referral]:
    return parse_refer_youtube_vos(ref_shapes, "test")


@pytest.fixture
def masks(shapes: list[Referral], tmp_path: Path) -> Path:
    return write_truth(shapes, tmp_path / "masks")


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, output, and the one line of an error."""
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("refsam-zoo: error: ")]
    assert len(lines) == (1 if code else 0)
    return code, out, "".join(lines)


def scores(folder: Path) -> dict[str, float]:
    found: dict[str, float] = json.loads((folder / "summary.json").read_text())["scores"]
    return found


def test_tables_and_pictures(
    ref_shapes: Path, masks: Path, shapes: list[Referral], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = shapes[0]
    shutil.rmtree(masks / wrong.video_id / wrong.expression_id)
    with MaskFolder(masks) as folder:
        for frame in wrong.frames:
            folder.write(wrong.video_id, wrong.expression_id, frame, np.eye(64, dtype=bool))
    command = ["evaluate", masks, "--protocol=ref_shapes", f"--data={ref_shapes}", f"--output={tmp_path / 'out'}"]
    for _ in range(2):
        code, out, _ = run(command, capsys)
        assert code == 0
    assert "| ref_shapes | points |" in out
    names = {path.name for path in (tmp_path / "out-2").iterdir()}
    assert names == {"per_expression.csv", "summary.json", "summary.md", "breakdowns.png", "worst.png"}
    rows = read_csv(tmp_path / "out" / "per_expression.csv")
    assert [row.expression for row in rows] == [referral.expression for referral in shapes]
    assert [row.j < 1 for row in rows] == [True] + [False] * (len(rows) - 1)
    assert scores(tmp_path / "out")["j"] == pytest.approx(np.mean([row.j for row in rows]))
    assert "| j |" in (tmp_path / "out" / "summary.md").read_text()


def test_coco_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mask = {"size": [10, 20], "counts": [0, 100, 100]}
    image = {"id": 7, "height": 10, "width": 20}
    (tmp_path / "truth.json").write_text(
        json.dumps({"images": [image], "annotations": [{"image_id": 7, "segmentation": mask}]})
    )
    (tmp_path / "found.json").write_text(json.dumps([{"image_id": 7, "segmentation": mask, "score": 0.5}]))
    command = ["evaluate", tmp_path / "found.json", "--protocol=a2d_sentences", f"--data={tmp_path / 'truth.json'}"]
    code, out, _ = run([*command, f"--output={tmp_path / 'out'}"], capsys)
    assert code == 0
    assert "| map_all_queries | 100.0 |" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"per_image.csv", "summary.json", "summary.md"}


def test_incomplete_predictions_need_permission(
    ref_shapes: Path, masks: Path, shapes: list[Referral], capsys: pytest.CaptureFixture[str]
) -> None:
    gone, moved = shapes[0], shapes[-1]
    shutil.rmtree(masks / gone.video_id)
    (masks / moved.video_id / moved.expression_id / f"{moved.frames[0]}.png").rename(masks / "extra.png")
    command = ["evaluate", masks, "--protocol=ref_shapes", f"--data={ref_shapes}"]
    code, out, error = run(command, capsys)
    assert code == 2
    total, count = sum(len(referral.frames) for referral in shapes), len(shapes)
    left = [referral for referral in shapes if referral.video_id != gone.video_id]
    found = sum(len(referral.frames) for referral in left) - 1
    assert out.splitlines() == [
        "videos expected: 3, found: 2",
        f"expressions expected: {count}, found: {len(left)}",
        f"masks expected: {total}, found: {found}",
        f"missing: {gone.video_id}",
        f"missing: {moved.video_id}/{moved.expression_id}/{moved.frames[0]}",
        "extra: extra",
    ]
    assert f"2 of 3 videos, {len(left)} of {count} expressions, {found} of {total} masks" in error
    code, out, _ = run([*command, "--on_incomplete=empty"], capsys)
    assert code == 0
    assert f"missing: {gone.video_id}" in out
    assert "extra: extra" in out


def test_submissions_are_checked(shapes: list[Referral], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data_module, write = FORMATS["refer_youtube_vos"]
    (tmp_path / "data").mkdir()
    write(tmp_path / "data", shapes)
    asked = data_module(tmp_path / "data").referrals("predict")
    single = [referral for referral in shapes if len(referral.object_ids) == 1]
    assert len(asked) == len(single)
    for referral in single:
        for frame in referral.frames:
            path = tmp_path / "masks" / "Annotations" / referral.video_id / referral.expression_id / f"{frame}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (64, 64), 255).save(path)
    archive = shutil.make_archive(str(tmp_path / "submission"), "zip", tmp_path / "masks")
    options = ["--protocol=ref_youtube_vos", f"--data={tmp_path / 'data'}", "--check_only=true"]
    code, out, _ = run(["evaluate", archive, *options], capsys)
    assert code == 0
    assert "nothing that the server of ref_youtube_vos could stumble over" in out
    code, out, error = run(["evaluate", tmp_path / "masks" / "Annotations", *options], capsys)
    assert code == 2
    assert "masks must lie in a folder 'Annotations'" in out
    assert "1 problems, listed above" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--protocol=ref_shape"], "did you mean 'ref_shapes'"),
        (["--protocol=davis17", "--check_only=true"], "does not ask for expressions"),
        (["--protocol=ref_shapes", "--check_only=true"], "no server takes submissions for 'ref_shapes'"),
        (["--protocol=ref_shapes", "--on_incomplete=ignore"], "on_incomplete"),
    ],
)
def test_wrong_options(
    options: list[str], message: str, ref_shapes: Path, masks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run(["evaluate", masks, f"--data={ref_shapes}", *options], capsys)
    assert code == 2
    assert message in error


def test_wrong_predictions(ref_shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["evaluate", tmp_path / "absent", "--protocol=ref_shapes", f"--data={ref_shapes}"]
    assert "neither a folder nor a zip" in run(command, capsys)[2]


def test_runs_are_compared(
    ref_shapes: Path, masks: Path, shapes: list[Referral], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", masks, "--protocol=ref_shapes", f"--data={ref_shapes}", "--on_incomplete=empty"]
    run([*command, f"--output={tmp_path / 'all'}"], capsys)
    shutil.rmtree(masks / shapes[0].video_id)
    run([*command, f"--output={tmp_path / 'less'}"], capsys)
    code, out, _ = run(["compare", tmp_path / "less", tmp_path / "all", "--samples=500"], capsys)
    assert code == 0
    assert f"| ref_shapes | all | {len(shapes)} |" in out
    assert "| better |" in out
    code, _, error = run(["compare", tmp_path / "less", tmp_path / "absent"], capsys)
    assert code == 2
    assert "absent' cannot be read" in error
