from __future__ import annotations

from pathlib import Path

import pytest

from refsam_zoo.annotations.files import Entry, is_file_name, read_json, read_lines, read_table
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


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    assert entry(tmp_path, '{"é": 1}'.encode(encoding))["é"].integer() == 1
    (tmp_path / "a.csv").write_text("video,é\nx,1\n", encoding=encoding)
    assert [row.value for row in read_table(tmp_path / "a.csv", ("video", "é"))] == [{"video": "x", "é": "1"}]
    (tmp_path / "a.txt").write_text("a\nb é\n", encoding=encoding)
    assert [line.value for line in read_lines(tmp_path / "a.txt", "latin-1")] == ["a", "b é"]


def test_lines_end_where_lines_end(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"a\x85b\r\n\r\nc\xe9\rd")
    assert [(line.value, line.key) for line in read_lines(tmp_path / "a.txt", "latin-1")] == [
        ("a\x85b", "line 1"),
        ("c\xe9", "line 3"),
        ("d", "line 4"),
    ]


PATHS = ["my  clip", "which one?", "10:30", "#1", " x ", "a\tb", 'he said "go"', "100%", "50%20off", "*", "cafe\u0301"]


@pytest.mark.parametrize("name", PATHS)
def test_paths_are_taken_as_they_stand(tmp_path: Path, name: str) -> None:
    (tmp_path / "root" / "videos" / name).mkdir(parents=True)
    root = tmp_path / "root"
    there = root / "videos" / name
    for written in (f"videos/{name}", f"./videos//{name}", f"videos/../videos/{name}", str(there)):
        assert Entry(written, Path("f"), "k").path(root) == there
    with pytest.raises(InputError, match="f: k: there is no "):
        Entry(f"videos/{name}x", Path("f"), "k").path(root)


@pytest.mark.parametrize(
    "path", ["..", "../root2", "videos/../../root2", ".", "videos/..", "/", "/etc/passwd", "../root"]
)
def test_paths_that_leave_the_folder_are_refused(tmp_path: Path, path: str) -> None:
    for folder in ("root/videos", "root2"):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(InputError, match="must be a path inside the folder"):
        Entry(path, Path("f"), "k").path(tmp_path / "root")


@pytest.mark.parametrize(
    ("path", "wrong"), [("", "is empty"), (None, "expected text"), ("a\0b", "there is no"), ("x" * 999, "no")]
)
def test_paths_that_are_none(tmp_path: Path, path: object, wrong: str) -> None:
    with pytest.raises(InputError, match=f"f: k: .*{wrong}"):
        Entry(path, Path("f"), "k").path(tmp_path)


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


@pytest.mark.parametrize("value", ["007", 7, 7.0])
def test_whole_numbers_have_several_spellings(value: object) -> None:
    assert Entry(value, Path("f")).integer() == 7


@pytest.mark.parametrize("name", ["../x", "..", ".", "", "a/b", "a\\b", "/etc", "a\0b", "c:", "x" * 300, "\ud800", " "])
def test_names_that_leave_their_folder_are_refused(name: str) -> None:
    assert not is_file_name(name)
    with pytest.raises(InputError, match="cannot be the name of a file"):
        Entry(name, Path("f"), "k").name()


@pytest.mark.parametrize(
    "name", ["00000", "003234408d", "a b", "v_dog-1.2", "größe", "-x", "...a", "which one?", "10:30", "*", "a|b"]
)
def test_ordinary_names_are_taken(name: str) -> None:
    assert Entry(name, Path("f")).name() == name
