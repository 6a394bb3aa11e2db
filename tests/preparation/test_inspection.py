from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from formats.catalogue import FORMATS
from PIL import Image

from refsam_zoo.data_modules.recognition import recognise
from refsam_zoo.errors import InputError
from refsam_zoo.preparation.contact_sheets import RED
from refsam_zoo.preparation.inspection import inspect_data_set
from refsam_zoo.types import Referral


@pytest.fixture
def two(shapes: list[Referral]) -> list[Referral]:
    """The sentences about two of the videos."""
    videos = sorted({referral.video_id for referral in shapes})[:2]
    return [referral for referral in shapes if referral.video_id in videos]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def inspected(root: Path, sheet: Path, workers: int | None = 1) -> tuple[str, str]:
    """What is said of a data set, and what of it is an error in the end; empty if nothing is."""
    text = ""
    try:
        for paragraph in inspect_data_set(root, sheet, workers):
            text += f"{paragraph}\n"
    except InputError as error:
        return text, str(error)
    return text, ""


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_recognised_and_found_sound(name: str, two: list[Referral], root: Path) -> None:
    data_module, write = FORMATS[name]
    write(root, two)
    assert recognise(root).data_module is data_module
    text, error = inspected(root, root.parent / "sheet.png")
    assert error == ""
    assert text.startswith(f"{data_module.__name__} in ")
    assert "problems     0" in text
    assert "every file is there and can be read" in text
    with Image.open(root.parent / "sheet.png") as sheet:
        assert sheet.format == "PNG"


def test_the_statistics_are_those_of_the_annotations(two: list[Referral], tmp_path: Path) -> None:
    FORMATS["lv_vis"][1](tmp_path / "data", two)
    text, error = inspected(tmp_path / "data", tmp_path / "sheet.png")
    assert error == ""
    lines = dict(line.strip().split(maxsplit=1) for line in text.splitlines() if line[:2] == "  ")
    counts = [min(2, len(referral.object_ids)) for referral in two]
    assert lines["videos"] == "2"
    assert lines["frames"] == "12; 6 to 6 per video, median 6"
    assert lines["sizes"] == "64x64 (2)"
    assert lines["expressions"].startswith(f"{len(two)}; ")
    assert lines["words"].startswith(f"{sum(len(referral.expression.split()) for referral in two)}; ")
    assert lines["objects"].startswith(f"none {counts.count(0)}, one {counts.count(1)}, more {counts.count(2)} ")
    assert lines["targets"].endswith(f"{counts.count(0)} of {len(two)} never show")


DAMAGED = {
    "refer_youtube_vos": ["train/JPEGImages/*/00001.jpg", "train/Annotations/*/00003.png"],
    "ref_davis": ["DAVIS/JPEGImages/480p/*/00001.jpg", "DAVIS/Annotations_unsupervised/480p/*/00004.png"],
    "mevis": ["train/JPEGImages/*/00003.jpg"],
    "ref_sav": ["videos/*/*.mp4"],
    "a2d_sentences": ["Release/clips320H/*.mp4", "text_annotations/a2d_annotation_with_instances/*/00003.h5"],
    "jhmdb_sentences": ["Rename_Images/*/*/00003.png", "puppet_mask/*/*/puppet_mask.mat"],
    "refcoco": ["train2014/*.jpg"],
    "csv_folder": ["videos/*.mp4"],
    "json_folder": ["masks/*/00002.png"],
}
"""Files of which the first is cut in the middle."""

MISSING = {
    "refer_youtube_vos": [
        "train/JPEGImages/*/00002.jpg",
        "train/Annotations/*/00004.png",
        "valid/JPEGImages/*/00005.jpg",
    ],
    "ref_davis": ["DAVIS/JPEGImages/480p/*/00001.jpg", "DAVIS/Annotations_unsupervised/480p/*/00004.png"],
    "mevis": ["valid_u/JPEGImages/*/00000.jpg"],
    "ref_sav": ["videos/*/*.mp4"],
    "a2d_sentences": ["Release/clips320H/*.mp4"],
    "jhmdb_sentences": ["Rename_Images/*/*/00005.png", "puppet_mask/*/*/puppet_mask.mat"],
    "refcoco": ["train2014/*.jpg"],
    "csv_folder": ["videos/*.mp4"],
    "json_folder": [],
}
"""Files of which the last is removed. What A2D-Sentences and a folder have no mask of counts as not annotated."""


@pytest.mark.parametrize("name", DAMAGED)
def test_every_damaged_and_missing_file_is_named(name: str, two: list[Referral], root: Path) -> None:
    FORMATS[name][1](root, two)
    damaged = [min(root.glob(pattern)) for pattern in DAMAGED[name]]
    missing = [max(root.glob(pattern)) for pattern in MISSING[name]]
    for file in damaged:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    for file in missing:
        file.unlink()
    text, error = inspected(root, root.parent / "sheet.png")
    *_, problems = text.split("\n\n")
    for file in (*damaged, *missing):
        names = str(file.with_suffix("")), f"frame {file.stem} is missing in {file.parent}"
        assert any(name in problems for name in names), f"{file} is not named in\n{problems}"
    assert error.startswith(f"{root}: ")
    assert error.endswith(" broken or missing, each named above")


def test_a_wrong_annotation_costs_only_itself(two: list[Referral], tmp_path: Path) -> None:
    FORMATS["csv_folder"][1](tmp_path, two)
    table = tmp_path / "annotations.csv"
    lines = table.read_text().splitlines()
    lines[1] = lines[1].replace("videos/", "../")
    lines[3] = lines[3].replace(lines[3].split(",")[2], "")
    table.write_text("\n".join(lines))
    text, error = inspected(tmp_path, tmp_path / "sheet.png")
    assert "2 broken or missing" in error
    assert "line 2.video: " in text
    assert "line 4.expression: the text is empty" in text
    assert f"expressions  {len(lines) - 3}; " in text
    assert (tmp_path / "sheet.png").exists()


@pytest.mark.slow
def test_several_processes_say_the_same_as_one(two: list[Referral], tmp_path: Path) -> None:
    FORMATS["revos"][1](tmp_path, two)
    file = next(tmp_path.glob("JPEGImages/*/00003.jpg"))
    file.write_bytes(b"")
    texts = []
    for workers in (1, 2):
        text, error = inspected(tmp_path, tmp_path / "sheet.png", workers)
        assert "1 broken or missing" in error
        texts.append(text)
    assert texts[0] == texts[1]


def test_nothing_is_not_called_sound(tmp_path: Path) -> None:
    (tmp_path / "annotations.csv").write_text("video,expression\n")
    text, error = inspected(tmp_path, tmp_path / "sheet.png", workers=None)
    assert "not a single expression" in error
    assert "every file" not in text


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not the tree of a data set known here"):
        recognise(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        recognise(tmp_path / "nothing")


def test_a_contact_sheet_that_cannot_be_written_is_named(two: list[Referral], tmp_path: Path) -> None:
    FORMATS["revos"][1](tmp_path / "data", two)
    (tmp_path / "file").write_text("")
    _, error = inspected(tmp_path / "data", tmp_path / "file" / "sheet.png")
    assert "sheet.png cannot be written" in error


@pytest.mark.parametrize("name", FORMATS)
def test_what_systems_and_cameras_do_to_files_changes_nothing(name: str, two: list[Referral], root: Path) -> None:
    FORMATS[name][1](root, two)
    before = inspected(root, root.parent / "sheet.png", workers=None)
    assert before[1] == ""
    for file in sorted(file for file in root.rglob("*") if file.suffix in (".jpg", ".png", ".h5", ".mp4")):
        (file.parent / f"._{file.name}").write_bytes(b"of macOS")
        for other in (".DS_Store", "Thumbs.db", "desktop.ini"):
            (file.parent / other).touch()
        if file.suffix != ".mp4":  # these the annotations name with their suffix
            file.rename(file.with_suffix(file.suffix.upper()))
    assert inspected(root, root.parent / "sheet.png", workers=None) == before


def test_frames_that_training_cannot_open_are_named(two: list[Referral], tmp_path: Path) -> None:
    FORMATS["json_folder"][1](tmp_path, two)
    folders = sorted((tmp_path / "videos").iterdir())
    Image.new("L", (64, 64)).save(folders[0] / "00002.png")
    (folders[1] / "00003.jpg").write_bytes(b"")
    text, error = inspected(tmp_path, tmp_path / "sheet.png", workers=None)
    assert "broken or missing" in error
    *_, problems = text.split("\n\n")
    assert f"{folders[0]}: 00002.jpg and 00002.png have the same name" in problems
    assert f"{folders[1] / '00003.jpg'}: not a readable picture" in problems


def test_a_missing_frame_is_named_once(two: list[Referral], root: Path) -> None:
    FORMATS["ref_shapes"][1](root, two)
    missing = next((root / "test" / "JPEGImages").rglob("00003.jpg"))
    missing.unlink()
    text, error = inspected(root, root.parent / "sheet.png", workers=None)
    assert "1 broken or missing" in error
    assert f"frame 00003 is missing in {missing.parent}" in text


def test_what_commands_would_refuse_is_said(two: list[Referral], tmp_path: Path) -> None:
    FORMATS["csv_folder"][1](tmp_path, two)
    table = tmp_path / "annotations.csv"
    lines = [line.split(",") for line in table.read_text().splitlines()]
    lines[1:] = [[cell.replace("val", "test").replace("train", "test") for cell in line] for line in lines[1:]]
    table.write_text("\n".join(",".join(line) for line in lines))
    text, error = inspected(tmp_path, tmp_path / "sheet.png", workers=None)
    assert error == ""
    assert f"fit would refuse it: {tmp_path}: no expressions for train" in text


def test_a_sheet_shows_the_video_with_the_broken_mask(two: list[Referral], tmp_path: Path) -> None:
    FORMATS["json_folder"][1](tmp_path, two)
    assert inspected(tmp_path, tmp_path / "sound.png", workers=None)[1] == ""
    broken = max((tmp_path / "masks").rglob("00004.png"))
    broken.write_bytes(broken.read_bytes()[:40])
    assert "1 broken or missing" in inspected(tmp_path, tmp_path / "faulty.png", workers=None)[1]
    red = []
    for name in ("sound.png", "faulty.png"):
        with Image.open(tmp_path / name) as sheet:
            pixels = np.asarray(sheet)
            red.append((pixels == RED).all(axis=-1).sum())
    assert pixels.shape[1] > 256
    assert red[0] == 0
    assert red[1] > 1000


def test_objects_that_no_mask_shows_are_said(two: list[Referral], tmp_path: Path) -> None:
    FORMATS["json_folder"][1](tmp_path, two)
    rows = json.loads((tmp_path / "annotations.json").read_text())
    for row in rows[1:3]:
        row["object_ids"] = "77"
    (tmp_path / "annotations.json").write_text(json.dumps(rows))
    text, error = inspected(tmp_path, tmp_path / "sheet.png", workers=None)
    assert error == ""
    assert f"in no mask   the objects of 2 expressions, the first: '{rows[1]['expression']}'" in text
