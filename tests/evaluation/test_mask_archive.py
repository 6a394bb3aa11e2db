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
