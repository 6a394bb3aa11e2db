"""`refsam-zoo convert` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from refsam_zoo.cli import main


def test_what_is_written_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"state_dict": {"model.tracker.weight": torch.zeros(1)}}, tmp_path / "last.ckpt")
    command = ["convert", str(tmp_path / "last.ckpt"), str(tmp_path / "out.pth"), "--components=[tracker]"]
    assert main([*command, "--merge"]) == 2
    assert "leave out --merge" in capsys.readouterr().err
    assert main(command) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out.pth'}: 1 tensors of tracker\n"
