"""Video files of every kind that makes some decoder return other frames than those asked for."""

from __future__ import annotations

import re
import sys
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from formats.trap_videos import (
    CLUSTER,
    CLUSTER_TIME,
    COUNT,
    EDITED,
    EXACT,
    FRAGMENTS,
    OPEN,
    RATE,
    encode,
    from_key_frame,
    number_of,
    set_matrix,
    without_first,
)

from refsam_zoo.errors import InputError
from refsam_zoo.types import VideoSource
from refsam_zoo.video.readers import Backend, open_video


def assert_exact(path: Path, expected: list[int], backend: Backend = "auto") -> None:
    """Reads in every order and with a fresh reader; all frames must be those asked for."""
    random = np.random.default_rng(0)
    with open_video(VideoSource(path), backend=backend) as reader:
        assert [number_of(frame) for batch in reader.stream(7) for frame in batch] == expected
        clips = random.integers(0, len(expected), (8, 4)).tolist()
        for clip in [*clips, *([place] for place in reversed(range(0, len(expected), 3)))]:
            assert [number_of(frame) for frame in reader.read(clip)] == [expected[place] for place in clip]
    for place in random.integers(0, len(expected), 4).tolist():
        with open_video(VideoSource(path), backend=backend) as reader:
            assert number_of(reader.read([place])[0]) == expected[place]


@pytest.mark.parametrize("name", EXACT)
def test_every_number_gives_its_frame(tmp_path: Path, name: str) -> None:
    encode(tmp_path / name, **EXACT[name])
    assert_exact(tmp_path / name, list(EXACT[name].get("numbers", range(COUNT))))


@pytest.mark.parametrize("bframes", [0, 2])
def test_an_edit_list_leaves_out_frames(tmp_path: Path, bframes: int) -> None:
    assert_exact(encode(tmp_path / "v.mp4", bframes=bframes, **EDITED), list(range(17, COUNT)))


def test_times_that_jump_back(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.mkv", bframes=0, muxer={"cluster_time_limit": "200"})
    content = bytearray(path.read_bytes())
    place = 0
    for _ in range(4):
        place = content.index(CLUSTER, place + 4)
    place = content.index(CLUSTER_TIME, place)
    length = content[place + 1] & 127
    content[place + 2 : place + 2 + length] = bytes(length)
    path.write_bytes(content)
    assert_exact(path, list(range(COUNT)))


def displayed(pictures: np.ndarray, a: float, b: float, c: float, d: float) -> np.ndarray:
    """Moves every point of pictures `[T, H, W, 3]` to where the matrix of an quarter turn or a mirror says."""
    time, height, width, _ = pictures.shape
    rows, columns = np.mgrid[:height, :width]
    across, down = a * columns + c * rows, b * columns + d * rows
    across, down = (across - across.min()).astype(int), (down - down.min()).astype(int)
    shown = np.empty((time, down.max() + 1, across.max() + 1, 3), np.uint8)
    shown[:, down, across] = pictures
    return shown


QUARTERS = [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [(0, b, c, 0) for b in (1, -1) for c in (1, -1)]


def test_every_turned_or_mirrored_video_stands_as_players_show_it(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.mp4", bframes=2, numbers=range(12))
    with open_video(VideoSource(path)) as reader:
        stored = reader.read([5, 10])
    for matrix in QUARTERS:
        set_matrix(path, *matrix)
        expected = displayed(stored, *matrix)
        for backend in ("auto", "pyav"):
            with open_video(VideoSource(path), backend=backend) as reader:  # type: ignore[arg-type]
                np.testing.assert_array_equal(reader.read([5, 10]), expected)
                assert reader.size == expected.shape[1:3]
        if matrix != (1, 0, 0, 1):
            for other in ("decord", "torchcodec"):
                with pytest.raises(InputError, match=r"v\.mp4: .* wrong frames of such a file; use .* auto"):
                    open_video(VideoSource(path), backend=other)  # type: ignore[arg-type]


@pytest.mark.parametrize(("degrees", "quarter"), [(20, 0), (-40, 0), (50, 1), (130, 1), (140, 2), (-100, 3)])
def test_a_turn_by_any_angle_becomes_the_nearest_quarter(tmp_path: Path, degrees: int, quarter: int) -> None:
    path = encode(tmp_path / "v.mp4", numbers=range(4))
    with open_video(VideoSource(path)) as reader:
        stored = reader.read([1])
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    set_matrix(path, cosine, sine, -sine, cosine)
    with open_video(VideoSource(path)) as reader:
        np.testing.assert_array_equal(reader.read([1]), np.rot90(stored, -quarter, axes=(1, 2)))


@pytest.mark.parametrize(
    ("name", "options", "rate"),
    [
        ("regular.mp4", {"bframes": 2}, RATE),
        ("slow.mp4", {"times": [3 * number for number in range(COUNT)]}, RATE / 3),
        ("uneven.mkv", {"times": [number + 5 * (number // 7) for number in range(COUNT)]}, RATE * 39 / 64),
        ("late.mp4", {"muxer": {"output_ts_offset": "3"}}, RATE),
        ("plain.ts", {}, RATE),
        ("uneven.webm", {**EXACT["vp8.webm"], "times": [number + 3 * (number // 5) for number in range(COUNT)]}, None),
    ],
)
def test_rate_and_times_are_those_of_the_time_stamps(
    tmp_path: Path, name: str, options: dict[str, Any], rate: float | None
) -> None:
    with open_video(VideoSource(encode(tmp_path / name, **options))) as reader:
        assert rate is None or reader.fps == pytest.approx(rate, rel=0.01)
        reader.read([COUNT - 1])
        times = [float(reader.time(position)) for position in range(COUNT)]
    np.testing.assert_allclose(times, np.array(options.get("times", range(COUNT))) / RATE, atol=0.002)


def test_a_claimed_rate_that_is_wrong_is_not_believed(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.mkv")
    content = bytearray(path.read_bytes())
    duration = content.index(b"\x23\xe3\x83") + 3  # nanoseconds of a frame
    length = content[duration] & 127
    content[duration + 1 : duration + 1 + length] = (10**6).to_bytes(length, "big")
    path.write_bytes(content)
    with open_video(VideoSource(path)) as reader:
        assert reader.fps == pytest.approx(RATE, rel=0.01)


@pytest.mark.parametrize("quarter", [0, 1])
def test_the_shape_of_a_pixel_is_turned_with_the_picture(tmp_path: Path, quarter: int) -> None:
    path = encode(tmp_path / "v.mp4", numbers=range(4), sar="4/3")
    if quarter:
        set_matrix(path, 0, 1, -1, 0)
    with open_video(VideoSource(path)) as reader:
        assert reader.pixel_aspect == (Fraction(3, 4) if quarter else Fraction(4, 3))


def test_a_change_of_size_is_refused_where_it_happens(tmp_path: Path) -> None:
    first = encode(tmp_path / "a.ts", numbers=range(20))
    second = encode(tmp_path / "b.ts", numbers=range(20, 40), size=(32, 64))
    path = tmp_path / "v.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    with open_video(VideoSource(path)) as reader:
        assert number_of(reader.read([7])[0]) == 7
        with pytest.raises(InputError, match=r"v\.ts.* size"):
            reader.read([30])


CUT_OFF = ["v.mp4", "v.mkv", "v.webm", "fragments.mp4"]


@pytest.mark.parametrize("share", [50, 99])
@pytest.mark.parametrize("name", CUT_OFF)
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, name: str, share: int) -> None:
    muxer = FRAGMENTS if name == "fragments.mp4" else {"movflags": "faststart"} if name == "v.mp4" else {}
    path = encode(tmp_path / name, **(EXACT["vp8.webm"] if name == "v.webm" else {"bframes": 2}), muxer=muxer)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * share // 100])
    with pytest.raises(InputError, match=rf"{name}: cut off, \d+ bytes are missing"):
        open_video(VideoSource(path))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("no_key_frame.mkv", {"bframes": 0, "change": without_first(3)}),
        ("open.mkv", OPEN | {"b_adapt": 0, "change": from_key_frame(1)}),
        ("hevc.mkv", {"codec": "libx265", "bframes": 3, "change": from_key_frame(1)}),
    ],
)
def test_a_video_whose_beginning_is_missing_is_refused(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=f"{name}: begins in the middle"):
        open_video(VideoSource(encode(tmp_path / name, **options)))


def is_right_or_refused(path: Path, place: int) -> bool:
    """Whether a frame could be read; its number must be right then, otherwise the message must name the file."""
    try:
        with open_video(VideoSource(path)) as reader:
            frame = reader.read([place])[0]
    except InputError as error:
        if not str(error).startswith(f"{path}: "):
            raise
        return False
    assert number_of(frame) == place
    return True


@pytest.mark.parametrize("kind", ["closed", "open"])
def test_damage_is_refused_or_leaves_the_number_right(tmp_path: Path, kind: str) -> None:
    # with a fixed quantiser x264 writes the same bytes in every run, so that the same ones are damaged
    content = encode(tmp_path / "v.mp4", qp=20, **(OPEN if kind == "open" else {"bframes": 3})).read_bytes()
    refused = 0
    for seed in range(3):
        random, damaged = np.random.default_rng(seed), bytearray(content)
        for place in random.integers(len(content) // 4, len(content) // 2, 4):
            damaged[place] ^= int(random.integers(1, 256))
        (tmp_path / "v.mp4").write_bytes(damaged)
        for place in range(0, COUNT, 4):
            refused += not is_right_or_refused(tmp_path / "v.mp4", place)
    assert 0 < refused < 3 * COUNT / 4


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux([*stream.encode(frame), *stream.encode()])
    with pytest.raises(InputError, match="it has no picture stream"):
        open_video(VideoSource(tmp_path / "v.mp4"))


@pytest.mark.parametrize("name", ["open.mp4", "fragments.mp4", "intra_refresh.mkv", "mpeg4.avi"])
def test_decord_refuses_what_it_gets_wrong(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, **EXACT[name])
    with pytest.raises(InputError, match=f"{name}: decord gives wrong frames of such a file; use .* auto"):
        open_video(VideoSource(path), backend="decord")


def test_decord_is_exact_on_closed_groups(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.mp4", **EXACT["closed.mp4"])
    if find_spec("decord") is None:  # it has wheels for some machines only
        with pytest.raises(InputError, match="needs the package decord"):
            open_video(VideoSource(path), backend="decord")
    else:
        assert_exact(path, list(range(COUNT)), "decord")


def test_without_decord_everything_else_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = encode(tmp_path / "v.mp4", **EXACT["closed.mp4"])
    monkeypatch.setitem(sys.modules, "decord", None)  # as where it is not installed
    with pytest.raises(InputError, match=r"needs the package decord, .*use auto"):
        open_video(VideoSource(path), backend="decord")
    with open_video(VideoSource(path)) as reader:
        assert number_of(reader.read([7])[0]) == 7


@pytest.mark.parametrize("name", ["closed.mp4", "open.mp4", "fragments.mp4", "intra_refresh.mkv", "mpeg4.avi"])
def test_torchcodec_is_exact_or_says_why_not(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, **EXACT[name])
    try:
        assert_exact(path, list(range(COUNT)), "torchcodec")
    except InputError as error:
        # Its binary package finds FFmpeg's shared libraries on some machines only.
        if not re.search("use the video back end auto|needs the package torchcodec", str(error)):
            raise


def test_an_unknown_back_end_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "v.mp4")
    with pytest.raises(InputError, match="unknown video back end 'decrod'; did you mean 'decord'"):
        open_video(VideoSource(path), backend="decrod")  # type: ignore[arg-type]
