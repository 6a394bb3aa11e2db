from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Any

import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.inference.growing_json import GrowingJson

HEAD = {"video": "c\udce9t", "expressions": {"1": "the étoile\n\"of\" 'it'"}}


def read(path: Path) -> Any:
    return json.loads(path.read_bytes())


def test_it_can_be_read_after_every_entry(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    growing = GrowingJson(path, HEAD, "frames")
    for number in range(4):
        assert read(path) == HEAD | {"frames": [{"number": earlier} for earlier in range(number)]}
        assert growing.entries == number
        growing.append({"number": number})


@pytest.mark.parametrize("count", [0, 1, 3])
def test_going_on_is_as_if_nothing_had_happened(tmp_path: Path, count: int) -> None:
    for name, going_on in (("at once", False), ("in two", True)):
        growing = GrowingJson(tmp_path / name, HEAD, "frames")
        for number in range(5):
            if going_on and number == count:
                growing = GrowingJson(tmp_path / name, HEAD, "frames", go_on=True)
                assert growing.entries == count
            growing.append([number])
    assert (tmp_path / "at once").read_bytes() == (tmp_path / "in two").read_bytes()


@pytest.mark.parametrize(
    "content", ["", "{}", '{"video": "dog", "frames": [\n[1]\n]}\n', '{"video": "cat", "frames": [\n[1']
)
def test_another_file_is_begun_anew(tmp_path: Path, content: str) -> None:
    (tmp_path / "file.json").write_text(content)
    assert GrowingJson(tmp_path / "file.json", {"video": "cat"}, "frames", go_on=True).entries == 0
    assert read(tmp_path / "file.json") == {"video": "cat", "frames": []}


def test_an_entry_without_room_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    growing = GrowingJson(path, HEAD, "frames")
    growing.append("short")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"file\.json cannot be written: File too large"):
            growing.append("long " * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert read(path) == HEAD | {"frames": ["short"]}
    growing.append("room again")
    assert read(path) == HEAD | {"frames": ["short", "room again"]}
