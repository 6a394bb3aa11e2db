from __future__ import annotations

from pathlib import Path

import pytest
import torch

from refsam_zoo.errors import InputError
from refsam_zoo.weights.files import load_state_dict
from refsam_zoo.weights.saving import save_state_dict

TIED = torch.arange(4.0)
STATE = {"first": TIED, "second": TIED, "transposed": torch.arange(6.0).reshape(2, 3).t()}


@pytest.mark.parametrize("name", ["new/net.safetensors", "new/net.pth"])
def test_what_is_saved_is_loaded(tmp_path: Path, name: str) -> None:
    save_state_dict(STATE, tmp_path / name)
    loaded = load_state_dict(tmp_path / name)
    assert {key: tensor.tolist() for key, tensor in loaded.items()} == {k: t.tolist() for k, t in STATE.items()}
    assert [path.name for path in (tmp_path / "new").iterdir()] == [Path(name).name]


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        save_state_dict(STATE, path)
    assert path.read_text() == "precious"


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"ends in \.safetensors"):
        save_state_dict(STATE, tmp_path / "net.bin")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_an_unwritable_place_is_one_line(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        save_state_dict(STATE, tmp_path / "file" / f"net{suffix}")
