"""Annotation files that are wrong in every way: one line that names file and key, and never a path outside the root.

`pytest --hypothesis-profile=many tests/data_modules/test_fuzzed_annotations.py` tries eighty times as many cases,
others each time.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from formats.catalogue import FORMATS
from formats.damage import OUTSIDE, damaged_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refsam_zoo.annotations.files import collect_problems, is_file_name
from refsam_zoo.clips.reading import group_by_video, read_clip
from refsam_zoo.data_modules import ReferringDataModule
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral

ANNOTATIONS = (".json", ".p", ".csv", ".txt", ".h5", ".mat", ".xml")
NOT_READ = ("refshapes.json", "meta.json")


class Watch:
    """Notes every file and folder below `base` that Python opens."""

    def __init__(self) -> None:
        self.base = ""
        self.opened: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.base and event in ("open", "os.listdir", "os.scandir"):
            path = str(arguments[0])
            if path.startswith(self.base):
                self.opened.append(path)


WATCH = Watch()
sys.addaudithook(WATCH)  # a hook stays for good; without a base it does nothing


@pytest.fixture(scope="module")
def sound(shapes: list[Referral], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives a data set of a format, written once from one video, with a folder of secrets next to it."""
    roots: dict[str, Path] = {}

    def write(name: str) -> Path:
        if name not in roots:
            base = tmp_path_factory.mktemp(name)
            roots[name] = base / "root"
            roots[name].mkdir()
            (base / OUTSIDE / "secret").mkdir(parents=True)
            (base / OUTSIDE / "secret" / "00000.jpg").write_bytes(b"")
            first = sorted({referral.video_id for referral in shapes})[:2]
            FORMATS[name][1](roots[name], [referral for referral in shapes if referral.video_id in first])
        return roots[name]

    return write


@pytest.fixture
def watched() -> Iterator[Watch]:
    yield WATCH
    WATCH.base = ""


@pytest.mark.parametrize("name", FORMATS)
def test_wrong_annotations_cost_one_line(name: str, sound: Callable[[str], Path], watched: Watch) -> None:
    root = sound(name)
    files = sorted(file for file in root.rglob("*") if file.suffix in ANNOTATIONS and file.name not in NOT_READ)
    assert files
    watched.base = str(root.parent)

    @settings(
        max_examples=settings.default.max_examples // 4,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.sampled_from(files).flatmap(lambda file: st.tuples(st.just(file), CASES[file])))
    def attempt(case: tuple[Path, bytes | None]) -> None:
        file, content = case
        original = file.read_bytes()
        try:
            file.unlink()
            if content is not None:
                file.write_bytes(content)
            watched.opened.clear()
            read_everything(FORMATS[name][0], root)
            assert [path for path in watched.opened if not is_inside(path, root)] == []
        finally:
            file.write_bytes(original)

    CASES = {file: damaged_files(file) for file in files}
    attempt()


def is_inside(path: str, root: Path) -> bool:
    return ".." not in Path(path).parts and Path(path).is_relative_to(root)


def read_everything(data_module: type[ReferringDataModule], root: Path) -> None:
    """Parses every split, stopping at the first problem and going on, and reads a frame of all that was found."""
    for parse in data_module.splits(root).values():
        try:
            found = parse()
        except InputError as error:
            assert_names_file_and_key(str(error), root)
            with collect_problems() as problems:
                found = parse_what_is_right(parse, root)
            for problem in problems:
                assert_names_file_and_key(problem, root)
        read_frames(found, root)


def parse_what_is_right(parse: Callable[[], list[Referral]], root: Path) -> list[Referral]:
    try:
        return parse()
    except InputError as error:
        assert_names_file_and_key(str(error), root)
        return []


def read_frames(referrals: Sequence[Referral], root: Path) -> None:
    assert len({(referral.video_id, referral.expression_id) for referral in referrals}) == len(referrals)
    for referral in referrals:
        for name in (referral.video_id, referral.expression_id, *referral.frames):
            assert is_file_name(name)
        assert len(set(referral.frames)) == len(referral.frames) > 0
        assert is_inside(str(referral.source.path), root)
        assert referral.expression.strip()
    for video in group_by_video(referrals):
        for wanted in (video, *([referral] for referral in video)):
            try:
                read_clip(wanted, [0])
                break
            except InputError as error:
                assert_names_file_and_key(str(error), root)


def assert_names_file_and_key(message: str, root: Path) -> None:
    """`<file>: <key>: <what is wrong>`, without a key where the file as a whole is wrong."""
    assert "\n" not in message
    assert len(message) < 400 + 3 * len(str(root))
    assert message.isprintable()
    assert re.match(rf"{re.escape(str(root))}[^:]*: \S", message), message
