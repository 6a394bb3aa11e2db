from __future__ import annotations

from pathlib import Path

import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.inference.outputs import OUTPUTS
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


def test_what_can_be_resumed_and_what_not(tmp_path: Path) -> None:
    require_free(tmp_path / "new", overwrite=False, resume=True)
    (tmp_path / "expressions.json").touch()
    with pytest.raises(InputError, match="holds a finished result; nothing is left to resume"):
        require_free(tmp_path, overwrite=False, resume=True)
    (tmp_path / ".unfinished").mkdir()
    require_free(tmp_path, overwrite=False, resume=True)
    with pytest.raises(InputError, match="or --overwrite, or --resume to finish it"):
        require_free(tmp_path, overwrite=False)
    with pytest.raises(InputError, match="--overwrite replaces it; give one of them"):
        require_free(tmp_path, overwrite=True, resume=True)
    clear(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_everything_that_outputs_write_is_removed(tmp_path: Path) -> None:
    for name in OUTPUTS:
        path = tmp_path / OUTPUTS.get(name).file
        (path / "x").mkdir(parents=True) if not path.suffix else path.touch()
    (tmp_path / "expressions.json").touch()
    clear(tmp_path)
    assert list(tmp_path.iterdir()) == []
