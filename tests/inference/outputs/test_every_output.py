"""What all outputs have in common; each has a file of tests of its own for what is in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from formats.segment_outputs import FRAMES

from refsam_zoo.errors import InputError
from refsam_zoo.inference.open_outputs import OpenOutputs
from refsam_zoo.inference.outputs import OUTPUTS, SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.base import UNFINISHED
from refsam_zoo.inference.segment import SAVED

every_output = pytest.mark.parametrize("name", list(OUTPUTS))


def write(
    name: str,
    folder: Path,
    facts: VideoFacts,
    frames: list[SegmentedFrame],
    kept: int | None = None,
    error: BaseException | None = None,
) -> None:
    with OpenOutputs([name], folder, facts, None if kept is None else {name: kept}) as outputs:
        for frame in frames:
            outputs.add(frame)
        if error:
            raise error


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and UNFINISHED not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def expected(name: str, count: int) -> int:
    return min(count, 1) if name == "still" else count


def test_each_has_a_reader_here_and_a_default_is_among_them() -> None:
    assert set(FRAMES) == set(OUTPUTS)
    assert set(SAVED) <= set(OUTPUTS)
    assert len({OUTPUTS.get(name).file for name in OUTPUTS}) == len(list(OUTPUTS))


@every_output
def test_all_frames_are_in_it(name: str, tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]) -> None:
    write(name, tmp_path / "new", facts, frames)
    assert FRAMES[name](tmp_path / "new" / OUTPUTS.get(name).file) == expected(name, 10)
    assert not [path for path in contents(tmp_path) if path.rpartition("/")[2].startswith(".")]


@every_output
@pytest.mark.parametrize("count", [0, 1, 2, 9])
def test_interrupted_after_any_frame(
    name: str, count: int, tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(name, tmp_path, facts, frames[:count], error=KeyboardInterrupt())
    path = tmp_path / OUTPUTS.get(name).file
    if path.exists() or count:
        assert FRAMES[name](path) == expected(name, count)

    write(name, tmp_path, facts, frames, kept=count)  # a later run passes over what is there
    write(name, tmp_path / "at once", facts, frames)
    there = {file: content for file, content in contents(tmp_path).items() if not file.startswith("at once/")}
    if name == "overlay":
        assert FRAMES[name](path) == 10
    else:
        assert there == contents(tmp_path / "at once")


@every_output
def test_frames_between_what_is_kept_and_what_is_there_come_once(
    name: str, tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(name, tmp_path, facts, frames[:7], error=KeyboardInterrupt())
    with OpenOutputs([name], tmp_path, facts, {name: 4}) as outputs:
        for frame in frames[4:]:
            outputs.add(frame)
    assert FRAMES[name](tmp_path / OUTPUTS.get(name).file) == expected(name, 10)


@pytest.mark.parametrize("name", ["overlay", "coco", "polygons", "tracks"])
def test_what_was_there_before_is_not_continued_unasked(
    name: str, tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]
) -> None:
    write(name, tmp_path, facts, frames[:2])
    write(name, tmp_path, facts, frames[:1])
    assert FRAMES[name](tmp_path / OUTPUTS.get(name).file) == 1


def test_after_a_frame_that_failed_none_is_written(
    tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]
) -> None:
    with OpenOutputs(["tracks"], tmp_path, facts) as outputs:
        for frame in (frames[0], frames[2], frames[1]):
            outputs.add(frame)
    assert FRAMES["tracks"](tmp_path / "tracks.json") == 2


def test_unknown_name(tmp_path: Path, facts: VideoFacts) -> None:
    with pytest.raises(InputError, match=r"unknown output 'track'; did you mean 'tracks'\? \(valid: coco, "):
        OpenOutputs(["track"], tmp_path, facts)


@every_output
def test_a_folder_that_cannot_be_written_is_one_line(
    name: str, tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file cannot be written: Not a directory"):
        write(name, tmp_path / "file", facts, frames)
