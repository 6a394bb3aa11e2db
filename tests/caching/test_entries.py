"""A cache folder shared by processes, full, damaged or unwritable."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from refsam_zoo.caching import entries
from refsam_zoo.caching.entries import EntryFolder
from refsam_zoo.errors import InputError

TENSORS = {"final": torch.randn(3, 4).bfloat16(), "mask": torch.tensor([True, False])}


def key(number: int) -> str:
    return f"{number:040x}"


def test_what_was_written_is_read(tmp_path: Path) -> None:
    EntryFolder(tmp_path).write(key(1), TENSORS)
    found = EntryFolder(tmp_path).read(key(1))
    assert found is not None
    assert found.keys() == TENSORS.keys()
    assert all(found[name].equal(tensor) for name, tensor in TENSORS.items())
    assert EntryFolder(tmp_path).read(key(2)) is None
    assert [path.name for path in (tmp_path / "00").iterdir()] == [f"{key(1)}.features"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_damaged_entries_are_missing_and_can_be_rebuilt(tmp_path: Path, damage: str) -> None:
    folder = EntryFolder(tmp_path)
    folder.write(key(1), TENSORS)
    path = folder.entries()[0].path
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes({"cut": path.read_bytes()[:-7], "flipped": bytes(content), "empty": b""}[damage])
    assert folder.read(key(1)) is None
    assert not path.exists()
    folder.write(key(1), TENSORS)
    assert folder.read(key(1)) is not None


def test_the_longest_unused_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "WRITES_BETWEEN_COUNTS", 1)
    tensors = {"final": torch.zeros(1000)}
    folder = EntryFolder(tmp_path, gigabytes=1e-5)  # two entries of 4 kB
    for number in (1, 2):
        folder.write(key(number), tensors)
        os.utime(folder.entries()[-1].path, (number, number))
    for number, entry in enumerate(sorted(folder.entries(), key=lambda entry: entry.path), 1):
        os.utime(entry.path, (number, number))
    assert folder.read(key(1)) is not None  # used now
    folder.write(key(3), tensors)
    assert set(folder.keys()) == {key(1), key(3)}


def test_the_limit_holds(tmp_path: Path) -> None:
    folder = EntryFolder(tmp_path, gigabytes=1e-5)
    for number in range(20):
        folder.write(key(number), {"final": torch.zeros(1000)})
        assert sum(entry.size for entry in folder.entries()) <= 10_000
    assert folder.keys()


WRITER = """
import sys, torch
from pathlib import Path
from refsam_zoo.caching.entries import EntryFolder
folder = EntryFolder(Path(sys.argv[1]))
for turn in range(30):
    for number in range(5):
        folder.write(f"{number:040x}", {"final": torch.full((2000,), float(number))})
        found = folder.read(f"{number:040x}")
        assert found is not None and found["final"].eq(number).all()
"""


def test_writers_at_once_leave_whole_entries(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    folder = EntryFolder(tmp_path)
    assert sorted(folder.keys()) == [key(number) for number in range(5)]
    assert len(list(tmp_path.glob("*/*"))) == 5


def test_what_a_dead_writer_left_is_removed(tmp_path: Path) -> None:
    folder = EntryFolder(tmp_path)
    folder.write(key(1), TENSORS)
    old, young = tmp_path / "00/.abandoned", tmp_path / "00/.under_way"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    assert folder.keys() == [key(1)]
    assert not old.exists()
    assert young.exists()


def test_an_unwritable_folder_costs_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = EntryFolder(tmp_path)
    (tmp_path / "00").write_text("in the way")
    folder.write(key(1), TENSORS)
    folder.write(key(2), TENSORS)
    assert [record.message.count("no more features are kept") for record in caplog.records] == [1]
    assert folder.read(key(1)) is None


def test_clear_deletes_entries_alone(tmp_path: Path) -> None:
    folder = EntryFolder(tmp_path)
    folder.write(key(1), TENSORS)
    (tmp_path / "notes.txt").write_text("mine")
    assert folder.clear() == 1
    assert folder.keys() == []
    assert (tmp_path / "notes.txt").exists()


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="above 0 gigabytes, not -1"):
        EntryFolder(tmp_path, gigabytes=-1)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="needs a folder, not a file"):
        EntryFolder(tmp_path / "file")


def test_whatever_bit_flips_and_wherever_a_file_ends_the_entry_is_missing(tmp_path: Path) -> None:
    folder = EntryFolder(tmp_path)
    folder.write(key(1), TENSORS)
    path = folder.entries()[0].path
    whole = path.read_bytes()
    flipped = [whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] for at in range(len(whole))]
    damaged = [*flipped, *(whole[:end] for end in range(len(whole))), whole + b"\0", bytes(len(whole)), bytes(4)]
    for content in damaged:
        path.write_bytes(content)
        assert folder.read(key(1)) is None
        assert not path.exists()


def test_a_damaged_entry_that_cannot_be_removed_is_missing_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = EntryFolder(tmp_path)
    folder.write(key(1), TENSORS)
    folder.entries()[0].path.write_bytes(b"half")

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)  # of a folder that is only read; whoever runs the tests may write all
    assert folder.read(key(1)) is None
    assert "is damaged; its features are computed again" in caplog.text
