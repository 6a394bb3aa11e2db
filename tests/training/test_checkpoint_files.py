"""Checkpoints while the disk fills up and while the process is killed."""

from __future__ import annotations

import errno
import os
import signal
import tempfile
from pathlib import Path

import pytest
import torch
from warm_process import WarmProcess

from refsam_zoo.errors import InputError
from refsam_zoo.training.checkpoint_files import WholeCheckpoints

STATE = {"weights": torch.arange(1000.0)}


def test_a_checkpoint_is_read_back(tmp_path: Path) -> None:
    for number in range(2):
        WholeCheckpoints().save_checkpoint({"number": number}, tmp_path / "new" / "last.ckpt")
    assert WholeCheckpoints().load_checkpoint(tmp_path / "new" / "last.ckpt", weights_only=True) == {"number": 1}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["last.ckpt"]


def test_a_full_disk_leaves_the_earlier_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "temporary"
    other.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(other))
    path = tmp_path / "run" / "last.ckpt"
    WholeCheckpoints().save_checkpoint(STATE, str(path))
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)  # where a full disk of a network is noticed
    with pytest.raises(InputError, match=rf"{path} cannot be written: No space left on device"):
        WholeCheckpoints().save_checkpoint(STATE, path)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["last.ckpt"]
    assert list(other.iterdir()) == []


KILLED = """
import os, signal, sys, tempfile
from refsam_zoo.training.checkpoint_files import WholeCheckpoints

tempfile.tempdir = sys.argv[2]
WholeCheckpoints().save_checkpoint({"number": 0}, sys.argv[1])
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
WholeCheckpoints().save_checkpoint({"number": 1}, sys.argv[1])
"""


@pytest.mark.slow
def test_a_kill_leaves_the_earlier_checkpoint(tmp_path: Path, warm_process: WarmProcess) -> None:
    path, other = tmp_path / "run" / "last.ckpt", tmp_path / "temporary"
    other.mkdir()
    done = warm_process.run("-c", KILLED, path, other)
    assert done.returncode == -signal.SIGKILL
    assert torch.load(path, weights_only=True) == {"number": 0}
    assert list(other.iterdir()) == []
    WholeCheckpoints().save_checkpoint({"number": 2}, path)
    assert [each.name for each in path.parent.iterdir()] == ["last.ckpt"], "what the killed process left"
