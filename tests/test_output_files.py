from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.output_files import newest_folder, next_folder, output_path, require_empty, write_whole


@pytest.mark.parametrize("name", ["../x", "..", ".", "", "a/b", "/etc", "a\\b", "a\0b"])
def test_names_never_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="plain name"):
        output_path(tmp_path, name, "0", "00000", suffix=".png")
    with pytest.raises(InputError, match="plain name"):
        output_path(tmp_path, "video", "0", name, suffix=".png")


def test_ordinary_names_stay_as_they_are(tmp_path: Path) -> None:
    path = output_path(tmp_path, "0062f687f1", "0", "00005.v2", suffix=".png")
    assert path == tmp_path / "0062f687f1" / "0" / "00005.v2.png"


def test_folder_with_an_earlier_result_is_refused(tmp_path: Path) -> None:
    require_empty(tmp_path)
    require_empty(tmp_path / "new")
    (tmp_path / ".DS_Store").touch()
    require_empty(tmp_path)
    (tmp_path / "masks").mkdir()
    with pytest.raises(InputError, match="not empty"):
        require_empty(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Not a directory"):
        require_empty(tmp_path / "file")


def test_the_newest_folder_is_the_last_that_was_made(tmp_path: Path) -> None:
    folder = tmp_path / "evaluation"
    (tmp_path / "evaluation_mevis").mkdir()
    (tmp_path / "evaluation-of-old").mkdir()
    assert newest_folder(folder) == folder
    for number in range(1, 12):
        next_folder(folder).mkdir()
        assert newest_folder(folder).name == ("evaluation" if number == 1 else f"evaluation-{number}")
    (tmp_path / "evaluation-2").rmdir()  # a gap is not filled, or the newest would not be the last
    folder.rmdir()
    assert next_folder(folder).name == "evaluation-12"


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/x\.png cannot be written: "):
        write_whole(tmp_path / "file" / "x.png", b"content")


FULL_DISK = """
import resource, sys
from pathlib import Path
from refsam_zoo.errors import InputError
from refsam_zoo.output_files import write_whole

path = Path(sys.argv[1])
write_whole(path, b"old")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_whole(path, bytes(2000))
except InputError as error:
    print(error)
"""


def test_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    outcome = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True, check=True)
    assert outcome.stdout == f"{path} cannot be written: File too large\n"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path], "no unfinished file is left"
