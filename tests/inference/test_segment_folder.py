from __future__ import annotations

from pathlib import Path

import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.inference.segment_folder import clear, require_free


def test_an_earlier_result_is_replaced_only_if_asked_to(tmp_path: Path) -> None:
    for name in ("expressions.json", "overlay.mp4", "still.png", "masks/cat/1/00000.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="holds an earlier result; give a new folder, or --overwrite"):
        require_free(tmp_path, overwrite=False)
    require_free(tmp_path, overwrite=True)
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"], "what is not ours stays"


def test_masks_that_are_no_result_are_never_removed(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "0.png").touch()
    with pytest.raises(InputError, match="is not empty"):
        require_free(tmp_path, overwrite=True)
    clear(tmp_path)
    assert (tmp_path / "masks" / "0.png").exists()


def test_a_new_folder_is_free(tmp_path: Path) -> None:
    for overwrite in (False, True):
        require_free(tmp_path / "new", overwrite)
        clear(tmp_path / "new")
