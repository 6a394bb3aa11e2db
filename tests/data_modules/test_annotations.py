from __future__ import annotations

from pathlib import Path

import pytest

from refsam_zoo.data_modules.annotations import Entry, is_file_name, read_json
from refsam_zoo.errors import InputError


def entry(tmp_path: Path, text: str | bytes) -> Entry:
    path = tmp_path / "a.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_json(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ('{"a": 1', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("1" * 10_000, "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
    ],
)
def test_files_that_are_not_json_are_refused_in_one_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        entry(tmp_path, text)
    assert "a.json" in str(caught.value)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.json: cannot read"):
        read_json(tmp_path / "no.json")
    with pytest.raises(InputError, match="cannot read"):
        read_json(tmp_path)


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    assert entry(tmp_path, b'\xef\xbb\xbf{"a": 1}')["a"].integer() == 1


def test_errors_name_the_dotted_key(tmp_path: Path) -> None:
    found = entry(tmp_path, '{"videos": {"v": {"frames": ["0", 1], "id": "x"}}}')["videos"]["v"]
    with pytest.raises(InputError, match=r"a\.json: videos\.v\.frames\.1: expected a name, got a number"):
        found["frames"].list()[1].name()
    with pytest.raises(InputError, match=r"videos\.v: the key 'frame' is missing; did you mean 'frames'\?"):
        found["frame"]
    with pytest.raises(InputError, match=r"videos\.v\.id: expected a list, got text"):
        found["id"].list()
    with pytest.raises(InputError, match=r"videos\.v\.frames: expected a mapping, got a list"):
        found["frames"].mapping()
    assert found.get("nothing") is None


@pytest.mark.parametrize("value", ["", "   ", None, 3, ["a"]])
def test_sentences_must_be_text(value: object) -> None:
    with pytest.raises(InputError, match=r"f: k: "):
        Entry(value, Path("f"), "k").text()


def test_white_space_in_sentences_is_collapsed() -> None:
    assert Entry(" a \n dog ", Path("f")).text() == "a dog"


@pytest.mark.parametrize("value", [-1, 256, "256", 1.5, True, "1e2", "x", "", None, "9" * 30, "²", 10**400])
def test_numbers_must_be_whole_and_in_range(value: object) -> None:
    with pytest.raises(InputError, match=r"f: k: "):
        Entry(value, Path("f"), "k").integer(0, 255)


def test_numbers_may_be_written_as_text() -> None:
    assert Entry("007", Path("f")).integer() == 7


@pytest.mark.parametrize("name", ["../x", "..", ".", "", "a/b", "a\\b", "/etc", "a\0b", "c:", "x" * 300, "\ud800", " "])
def test_names_that_leave_their_folder_are_refused(name: str) -> None:
    assert not is_file_name(name)
    with pytest.raises(InputError, match="cannot be the name of a file"):
        Entry(name, Path("f"), "k").name()


@pytest.mark.parametrize("name", ["00000", "003234408d", "a b", "v_dog-1.2", "größe", "-x", "...a"])
def test_ordinary_names_are_taken(name: str) -> None:
    assert Entry(name, Path("f")).name() == name
