from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.mask_archive import open_masks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(["b/0/00005", "b/0/00000", "a/1/00000", "top"]):
        path = tmp_path / "masks" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 6), number, np.uint8)).save(path)
    (tmp_path / "masks" / "notes.txt").touch()
    return tmp_path / "masks"


def test_folder_and_zip_read_alike(folder: Path, tmp_path: Path) -> None:
    zipped = Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", folder))
    for path in (folder, zipped):
        archive = open_masks(path)
        assert list(archive.files) == ["a/1/00000", "b/0/00000", "b/0/00005", "top"]
        assert archive.videos == {"a/1": ["00000"], "b/0": ["00000", "00005"], "": ["top"]}
        assert (archive.read("b/0/00005") == 0).all()
        below = archive.below("b")
        assert list(below.files) == ["0/00000", "0/00005"]
        assert np.array_equal(below.read("0/00000"), np.full((4, 6), 1))


def test_a_damaged_mask_is_named(folder: Path) -> None:
    (folder / "top.png").write_bytes((folder / "top.png").read_bytes()[:30])
    with pytest.raises(InputError, match=r"masks/top.png' is damaged"):
        open_masks(folder).read("top")


def test_a_damaged_zip_member_is_named(folder: Path, tmp_path: Path) -> None:
    zipped = Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", folder))
    archive = open_masks(zipped)
    content = bytearray(zipped.read_bytes())
    content[content.index(b"top.png") + 30] ^= 0xFF
    zipped.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"zipped.zip/top.png' cannot be read"):
        archive.read("top")


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither a folder nor a zip"):
        open_masks(tmp_path / "nothing")
    with pytest.raises(InputError, match="no PNG file"):
        open_masks(tmp_path)


def save(folder: Path, names: dict[str, int]) -> Path:
    """Masks of one value each."""
    for name, value in names.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 6), value, np.uint8)).save(folder / name, "PNG")
    return folder


def test_masks_are_in_natural_order(tmp_path: Path) -> None:
    folder = save(tmp_path / "masks", {f"v{number % 3 + 8}/{number}.png": number for number in range(12)})
    for path in (folder, Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", folder))):
        videos = open_masks(path).videos
        assert list(videos) == ["v8", "v9", "v10"]
        assert videos["v8"] == ["0", "3", "6", "9"]
        assert videos["v10"] == ["2", "5", "8", "11"]


def test_hidden_files_are_no_masks(folder: Path, tmp_path: Path) -> None:
    hidden = ["__MACOSX/b/0/._00000.png", "__MACOSX/c.png", "a/.DS_Store", "a/1/._00000.png", "b/Thumbs.db"]
    before = list(open_masks(folder).files)
    for name in hidden:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"of macOS")
    for path in (folder, Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", folder))):
        archive = open_masks(path)
        assert list(archive.files) == before
        assert sorted(archive.hidden) == hidden


def test_masks_may_be_spelled_in_capitals_and_without_zeros(tmp_path: Path) -> None:
    opened = open_masks(save(tmp_path, {"v/0/7.PNG": 1, "v/0/frame08.png": 2, "v/0/9.png": 3, "v/00009.png": 4}))
    archive = opened.spelled_as(["v/0/00007", "v/0/frame8", "v/0/9", "v/0/00009", "v/0/00010"])
    values = {name: int(archive.read(name)[0, 0]) for name in archive.files}
    assert values == {"v/0/00007": 1, "v/0/frame8": 2, "v/0/9": 3, "v/00009": 4}
    twice = open_masks(save(tmp_path, {"v/0/007.png": 5})).spelled_as(["v/0/00007"])
    assert {"v/0/7", "v/0/007"} <= set(twice.files), "which of the two is meant is not known"


def test_two_masks_of_one_name_are_refused(tmp_path: Path) -> None:
    save(tmp_path, {"v/0/7.PNG": 1, "v/0/7.png": 2})
    with pytest.raises(InputError, match=r"two masks of one name: v/0/7\.PNG, v/0/7\.png"):
        open_masks(tmp_path)
