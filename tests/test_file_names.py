from __future__ import annotations

import itertools
import os
import random
from pathlib import Path

import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.file_names import FRAMES, MASKS, Spellings, find_files, is_hidden, natural_order

ORDERED = [
    ["0", "1", "2", "9", "10", "11", "100"],
    ["frame1", "frame2", "frame10", "frame10b", "frame11"],
    ["001", "01", "1", "002", "2"],
    ["a", "a1", "a1-2", "a1-10", "a2", "b"],
    ["v1/2", "v1/10", "v2/1", "v10/1"],
    ["01/a", "01/c", "1/b"],
    ["x8", "x\uff19", "x10", "x\uff11\uff11"],
    ["1", "2", "²", "½"],
    ["7", "9" * 4999, "9" * 5000, "1" + "0" * 5000],
    ["", "1", "a"],
]


@pytest.mark.parametrize("names", ORDERED)
def test_numbers_count_by_their_value(names: list[str]) -> None:
    shuffled = random.Random(0).sample(names, len(names))
    assert sorted(shuffled, key=natural_order) == names


def test_the_order_is_total() -> None:
    names = sorted({name for names in ORDERED for name in names}, key=natural_order)
    for first, second in itertools.combinations(names, 2):
        assert natural_order(first) < natural_order(second)


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("._00000.jpg", True),
        (".DS_Store", True),
        ("__MACOSX/a/0/00000.png", True),
        ("a/__MACOSX/x.png", True),
        ("a/Thumbs.db", True),
        ("a/thumbs.db", True),
        ("Desktop.ini", True),
        (".git/x.png", True),
        ("a/0/00000.png", False),
        ("MACOSX/x.png", False),
        ("a.b/x.png", False),
        ("_x.png", False),
    ],
)
def test_files_that_systems_put_there_are_hidden(path: str, hidden: bool) -> None:
    assert is_hidden(path) is hidden


def test_names_are_found_with_other_leading_zeros() -> None:
    spellings = Spellings(["7", "00007", "frame08", "a/9", "a/x", "5", "05"])
    found = {"7": "7", "00007": "00007", "frame8": "frame08", "a/09": "a/9", "05": "05"}
    not_found = dict.fromkeys(["007", "00005", "8", "b/9", "frame 8"])
    assert {name: spellings.find(name) for name in [*found, *not_found]} == {**found, **not_found}


@pytest.mark.parametrize("age", [0, 60])
def test_files_of_a_folder(tmp_path: Path, age: int) -> None:
    """As it was changed now, or a minute ago and remembered."""
    for name in ("10.jpg", "9.JPG", "1.png", "2.WebP", "3.tiff", "4.bmp", "._1.png", ".DS_Store", "notes.txt", "x.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "11.png").symlink_to(tmp_path / "nothing")
    for _ in range(2):
        changed = tmp_path.stat().st_mtime - age
        os.utime(tmp_path, (changed, changed))
        found = find_files(tmp_path, FRAMES)
        assert list(found) == ["1", "2", "3", "4", "9", "10", "11"]
        assert found["9"] == found["0009"] == tmp_path / "9.JPG"
        assert "0003" in found
        assert found.get("5") is None
        assert list(find_files(tmp_path, MASKS)) == ["1", "11"]
    (tmp_path / "12.jpg").touch()
    assert "12" in find_files(tmp_path, FRAMES)


@pytest.mark.parametrize("other", ["00000.png", "00000.JPG", "00000.jpeg"])
def test_two_files_of_one_name_are_refused(tmp_path: Path, other: str) -> None:
    for name in ("00000.jpg", other, "00001.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(InputError) as caught:
        find_files(tmp_path)
    assert all(name in str(caught.value) for name in (str(tmp_path), "00000.jpg", other))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing: cannot list the folder: No such file"):
        find_files(tmp_path / "nothing")
