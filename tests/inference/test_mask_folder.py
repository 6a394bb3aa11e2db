from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.inference.mask_folder import MaskFolder
from refsam_zoo.video.masks import read_indexed


def test_masks_come_back_as_they_went(tmp_path: Path) -> None:
    masks = np.random.default_rng(0).random((40, 17, 23)) > 0.5
    with MaskFolder(tmp_path / "masks", threads=1) as folder:
        for frame, mask in enumerate(masks):
            folder.write("video", "0", f"{frame:05d}", mask)

    files = sorted((tmp_path / "masks" / "video" / "0").iterdir())
    assert [file.name for file in files] == [f"{frame:05d}.png" for frame in range(40)]
    for file, mask in zip(files, masks, strict=True):
        np.testing.assert_array_equal(read_indexed(file, (17, 23)), mask)
    with Image.open(files[0]) as image:
        assert image.mode == "P"
        assert set(np.unique(image.convert("L"))) == {0, 255}, "who expands the palette sees 0 and 255"


def test_empty_mask(tmp_path: Path) -> None:
    with MaskFolder(tmp_path) as folder:
        folder.write("video", "0", "00000", np.zeros((4, 5), bool))
    assert not read_indexed(tmp_path / "video" / "0" / "00000.png", (4, 5)).any()


def test_failure_in_a_thread_reaches_the_caller(tmp_path: Path) -> None:
    (tmp_path / "video").touch()
    folder = MaskFolder(tmp_path)
    folder.write("video", "0", "00000", np.ones((4, 5), bool))
    with pytest.raises(InputError, match=r"00000\.png cannot be written"):
        folder.close()


def test_other_errors_are_not_hidden_by_failures(tmp_path: Path) -> None:
    (tmp_path / "video").touch()

    def run() -> None:
        with MaskFolder(tmp_path) as folder:
            folder.write("video", "0", "00000", np.ones((4, 5), bool))
            raise KeyError

    with pytest.raises(KeyError):
        run()


def test_id_that_would_leave_the_folder(tmp_path: Path) -> None:
    with MaskFolder(tmp_path / "masks") as folder, pytest.raises(InputError, match="plain name"):
        folder.write("..", "0", "00000", np.ones((4, 5), bool))
    assert list(tmp_path.iterdir()) == []
