from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from formats.odd_videos import write_with_sound

from refsam_zoo.errors import InputError
from refsam_zoo.inference.overlay_video import OverlayVideoWriter
from refsam_zoo.types import VideoSource
from refsam_zoo.video.readers import open_video


def read(path: Path) -> tuple[np.ndarray, float]:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        rate = container.streams.video[0].average_rate
    assert rate is not None
    return np.stack(frames), float(rate)


@pytest.mark.parametrize("fps", [6.0, 29.97, 25])
def test_pictures_come_back(tmp_path: Path, fps: float) -> None:
    pictures = np.zeros((7, 64, 96, 3), np.uint8)
    pictures += np.arange(40, 215, 25, dtype=np.uint8)[:, None, None, None]
    with OverlayVideoWriter(tmp_path / "overlay.mp4", (64, 96), fps) as video:
        for picture in pictures:
            video.write(picture)
        assert not (tmp_path / "overlay.mp4").exists(), "only a whole file has the name"
    decoded, rate = read(tmp_path / "overlay.mp4")
    assert rate == pytest.approx(fps, abs=0.01)
    np.testing.assert_allclose(decoded.astype(int), pictures, atol=4)


@pytest.mark.parametrize("fps", [0.0, float("nan"), float("inf")])
def test_unknown_rate(tmp_path: Path, fps: float) -> None:
    with OverlayVideoWriter(tmp_path / "overlay.mp4", (64, 96), fps) as video:
        video.write(np.zeros((64, 96, 3), np.uint8))
    assert read(tmp_path / "overlay.mp4")[1] == 25


def write_then_fail(path: Path, pictures: int) -> None:
    with OverlayVideoWriter(path, (64, 96), 6) as video:
        for _ in range(pictures):
            video.write(np.zeros((64, 96, 3), np.uint8))
        raise KeyError


def test_a_broken_run_leaves_what_can_be_played_or_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        write_then_fail(tmp_path / "overlay.mp4", 0)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError):
        write_then_fail(tmp_path / "overlay.mp4", 3)
    assert list(tmp_path.iterdir()) == [tmp_path / "overlay.mp4"]
    assert len(read(tmp_path / "overlay.mp4")[0]) == 3


@pytest.mark.parametrize("unit", [Fraction(1, 1000), Fraction(1, 12800), Fraction(1, 10**9)])
def test_pictures_are_seen_at_their_own_times(tmp_path: Path, unit: Fraction) -> None:
    times = [round(time / unit) * unit for time in (0, 0.041, 0.064, 0.089, 0.5, 0.5, 1.9)]
    with OverlayVideoWriter(tmp_path / "overlay.mp4", (64, 96), 4, time_unit=unit) as video:
        for time in times:
            video.write(np.zeros((64, 96, 3), np.uint8), Fraction(time))
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        shown = [frame.time for frame in container.decode(video=0)]
    np.testing.assert_allclose(shown, np.array(times, float), atol=0.002)


def test_pixels_keep_their_shape(tmp_path: Path) -> None:
    with OverlayVideoWriter(tmp_path / "overlay.mp4", (64, 96), 6, pixel_aspect=Fraction(4, 3)) as video:
        video.write(np.zeros((64, 96, 3), np.uint8))
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout", "expected"),
    [
        ("v.mp4", "aac", 44100, "stereo", "aac"),
        ("v.ts", "aac", 44100, "mono", "aac"),
        ("v.mkv", "libopus", 48000, "stereo", "opus"),
        ("v.mkv", "pcm_s16le", 96000, "5.1", "aac"),
        ("v.avi", "pcm_s16le", 7000, "mono", "aac"),
    ],
)
def test_sound_is_kept(tmp_path: Path, name: str, codec: str, rate: int, layout: str, expected: str) -> None:
    source = tmp_path / name
    write_with_sound(source, codec, rate, layout)
    with (
        open_video(VideoSource(source)) as reader,
        OverlayVideoWriter(tmp_path / "o.mp4", (64, 96), reader.fps, sound=(source, reader.begin)) as video,
    ):
        for picture in reader.stream(1):
            video.write(picture[0])
    with av.open(str(tmp_path / "o.mp4")) as container:
        sound = container.streams.audio[0]
        assert sound.codec_context.name == expected
        heard = list(container.decode(sound))
        length = sum(frame.samples for frame in heard) / sound.rate
        loudest = max(float(np.abs(frame.to_ndarray().astype(float)).max()) for frame in heard)
    assert length == pytest.approx(2, abs=0.1)
    assert loudest > 0.05
    assert len(read(tmp_path / "o.mp4")[0]) == 50


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"overlay\.mp4 cannot be written"):
        OverlayVideoWriter(tmp_path / "missing" / "overlay.mp4", (64, 96), 6)


@pytest.mark.parametrize("cuts", [[1], [3, 7], [6, 6, 9]])
def test_a_film_is_continued_without_loss(tmp_path: Path, cuts: list[int]) -> None:
    source = tmp_path / "v.mp4"
    write_with_sound(source, "aac", 44100, "mono")
    pictures = np.zeros((10, 64, 96, 3), np.uint8)
    pictures += np.arange(20, 220, 20, dtype=np.uint8)[:, None, None, None]
    times = [Fraction(time, 1000) for time in (0, 40, 80, 85, 200, 240, 900, 1000, 1010, 1100)]
    for begin, end in pairwise([0, *cuts, 10]):
        film = OverlayVideoWriter(
            tmp_path / "o.mp4", (64, 96), 12, time_unit=Fraction(1, 1000), sound=(source, Fraction(0)), go_on=begin > 0
        )
        assert film.pictures == begin
        for picture, time in zip(pictures[begin:end], times[begin:end], strict=True):
            film.write(picture, time)
        film.close(whole=end == 10)
    with av.open(str(tmp_path / "o.mp4")) as container:
        shown = list(container.decode(video=0))
    np.testing.assert_allclose([picture.time for picture in shown], np.array(times, float), atol=1e-3)
    decoded = np.stack([picture.to_ndarray(format="rgb24") for picture in shown]).astype(int)
    np.testing.assert_allclose(decoded, pictures, atol=6)
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) / 44100 == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("content", [b"", b"no film", None])
def test_what_is_no_film_of_ours_is_not_continued(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "o.mp4"
    if content is None:
        with OverlayVideoWriter(path, (32, 32), 6) as other:
            other.write(np.zeros((32, 32, 3), np.uint8))
    else:
        path.write_bytes(content)
    with OverlayVideoWriter(path, (64, 96), 6, go_on=True) as film:
        assert film.pictures == 0
        film.write(np.zeros((64, 96, 3), np.uint8))
    assert len(read(path)[0]) == 1
