from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from formats.trap_videos import COUNT, EXACT, RATE, encode, number_of

from refsam_zoo.errors import InputError
from refsam_zoo.video.frame_choice import FrameChoice
from refsam_zoo.video.live_stream import LiveStream
from refsam_zoo.video.moments import Moment
from refsam_zoo.video.readers import open_video

VARIABLE = EXACT["variable_rate.mp4"]
TIMES = VARIABLE["times"]
"""In units of 1 / RATE seconds."""


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.5", Fraction(3, 2)), ("0", Fraction(0)), ("01:10", 70), ("1:00:10.25", Fraction(14441, 4)), (".5", 0.5)],
)
def test_a_moment_in_seconds(text: str, expected: Fraction) -> None:
    assert Moment.parse(text) == Moment(text, None, Fraction(expected))


def test_a_moment_by_its_frame() -> None:
    assert Moment.parse("120f").frame == 120


@pytest.mark.parametrize("text", ["", "-1", "1,5", "f", "1.5f", "1:2:3:4", "nan", "1e3"])
def test_what_is_no_moment_is_said(text: str) -> None:
    with pytest.raises(InputError, match=r"^--start: .* seconds \(1.5\), 00:01:10 or a frame \(120f\)"):
        FrameChoice(start=text)


def after(moment: float) -> list[int]:
    return [number for number in range(COUNT) if TIMES[number] >= moment * RATE]


CHOICES: dict[str, tuple[dict[str, Any], list[int]]] = {
    "all": ({}, list(range(COUNT))),
    "start in seconds": ({"start": "0.9"}, after(0.9)),
    "start and end in seconds": ({"start": "0.32", "end": "1.4"}, sorted(set(after(0.32)) - set(after(1.4)))),
    "frames": ({"start": "5f", "end": "9f"}, [5, 6, 7, 8]),
    "an end after the last frame": ({"end": "1:00:00"}, list(range(COUNT))),
    "every third": ({"stride": 3}, list(range(0, COUNT, 3))),
    "every third of a part": ({"start": "4f", "stride": 3}, list(range(4, COUNT, 3))),
    # ten frames each second: the first of each 2.5 units of time
    "by rate": ({"fps": 10.0, "end": "7f"}, [0, 3, 5]),
    "more than there are": ({"fps": 1000.0}, list(range(COUNT))),
}


@pytest.mark.parametrize("live", [False, True], ids=["file", "live"])
@pytest.mark.parametrize("case", CHOICES)
def test_choices(tmp_path: Path, case: str, live: bool) -> None:
    arguments, expected = CHOICES[case]
    path = encode(tmp_path / "v.mp4", **VARIABLE)
    with LiveStream(str(path), "v", "v") if live else open_video(path) as source:
        video = FrameChoice(**arguments).of(source)
        frames = list(video.frames())
        assert video.length in (None, len(expected))
        assert video.goes_on is (expected[-1] < COUNT - 1 and "end" in arguments and not live)
        assert video.begin == source.begin + Fraction(TIMES[expected[0]], RATE)
    assert [number_of(frame.picture) for frame in frames] == expected
    assert [frame.name for frame in frames] == [f"{number:05d}" for number in expected]
    assert [frame.time for frame in frames] == [
        Fraction(TIMES[number] - TIMES[expected[0]], RATE) for number in expected
    ]


@pytest.mark.parametrize(("side", "size"), [(48, (24, 48)), (96, (48, 96)), (500, (48, 96)), (1, (1, 1))])
def test_longest_side(tmp_path: Path, side: int, size: tuple[int, int]) -> None:
    with open_video(encode(tmp_path / "v.mp4", numbers=range(2))) as source:
        video = FrameChoice(max_side=side).of(source)
        assert video.size == size
        assert {frame.picture.shape for frame in video.frames()} == {(*size, 3)}


@pytest.mark.parametrize("part", [{"start": "99"}, {"start": "40f"}, {"end": "0"}, {"start": "9f", "end": "9f"}])
def test_a_part_without_frames_is_refused(tmp_path: Path, part: dict[str, str]) -> None:
    path = encode(tmp_path / "v.mp4")
    with open_video(path) as source, pytest.raises(InputError, match=r"v: no frame from .* to .*; it has 40 frames"):
        FrameChoice(**part).of(source)


@pytest.mark.parametrize(("option", "value"), [("stride", 0), ("fps", 0.0), ("fps", float("nan")), ("max_side", 0)])
def test_numbers_too_small_are_refused(option: str, value: float) -> None:
    with pytest.raises(InputError, match=f"--{option}"):
        FrameChoice(**{option: value})
