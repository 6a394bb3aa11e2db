from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from formats.trap_videos import COUNT, encode, number_of, picture
from PIL import Image

from refsam_zoo.errors import InputError
from refsam_zoo.video import sources
from refsam_zoo.video.live_stream import LiveStream
from refsam_zoo.video.sources import RawFrames, find_sources, open_frames, source_name


class PipedInput:
    """Standard input that comes through a pipe."""

    def __init__(self, content: bytes) -> None:
        reading, self._writing = os.pipe()
        self.buffer = os.fdopen(reading, "rb")
        self._thread = threading.Thread(target=self._write, args=(content,))
        self._thread.start()

    def _write(self, content: bytes) -> None:
        with os.fdopen(self._writing, "wb") as pipe:
            pipe.write(content)

    def close(self) -> None:
        self._thread.join()
        self.buffer.close()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", ["v.mkv", "v.webm", "v.gif", "v.ts", "v.avi", "v.MOV"])
@pytest.mark.parametrize("way", ["file", "pipe", "address"])
def test_a_video_by_every_way(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch, name: str, way: str
) -> None:
    kinds = {"v.webm": {"codec": "libvpx", "b": "1M"}, "v.gif": {"codec": "gif", "pixels": "rgb8"}}
    muxer = {"movflags": "frag_keyframe+empty_moov"} if name == "v.MOV" else {}
    path = encode(tmp_path / name.lower(), **kinds.get(name, {"bframes": 0}), muxer=muxer).rename(tmp_path / name)
    given = {"file": str(path), "pipe": "-", "address": f"{address}/{name}?key=secret"}[way]
    if way == "pipe":
        piped = PipedInput(path.read_bytes())
        monkeypatch.setattr(sys, "stdin", piped)
    with open_frames(given) as video:
        assert video.name == ("stdin" if way == "pipe" else "v")
        assert video.length == (COUNT if way == "file" else None)
        assert video.size == (48, 96)
        frames = list(video.frames())
    if way == "pipe":
        piped.close()
    assert [number_of(frame.picture) for frame in frames] == list(range(COUNT))
    np.testing.assert_allclose([float(frame.time) for frame in frames], np.arange(COUNT) / 25, atol=2e-3)


def test_raw_frames_through_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"".join(picture(number, 48, 96).tobytes() for number in range(5))
    piped = PipedInput(content + content[:100])
    monkeypatch.setattr(sys, "stdin", piped)
    with open_frames("-", raw=RawFrames("96x48", fps=10)) as video:
        frames = list(video.frames())
    piped.close()
    np.testing.assert_array_equal([frame.picture for frame in frames], [picture(n, 48, 96) for n in range(5)])
    assert frames[4].time * 10 == 4


def test_a_device_is_a_stream_without_end() -> None:
    with LiveStream("testsrc=size=32x16:rate=10", "camera0", "camera 0", "lavfi") as video:
        frames = video.frames()
        assert [next(frames).name for _ in range(30)][-1] == "00029"
        assert (video.size, video.fps, video.length) == ((16, 32), 10, None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nothing.mp4", r"^nothing.mp4: no such video; expected a video file, .*rtsp://.*standard input"),
        ("711", "^711: no video can be read from it: No such file"),
        ("rtsp://me:secret@127.0.0.1:1/hall?key=secret", "^rtsp://127.0.0.1:1/hall: no video can be .* refused$"),
        ("file:///etc/hostname", "no such video"),
    ],
)
def test_what_cannot_be_opened_is_said(given: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_frames(given)


def test_a_camera_where_none_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources.sys, "platform", "win32")
    with pytest.raises(InputError, match="camera 711: cameras are read on Linux and macOS only"):
        open_frames("711")


@pytest.mark.parametrize("content", [b"", b"<html>", bytes(5000)])
def test_a_pipe_without_a_video_is_said(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    piped = PipedInput(content)
    monkeypatch.setattr(sys, "stdin", piped)
    with pytest.raises(InputError, match=r"^standard input: "):
        open_frames("-")
    piped.close()


def test_a_playlist_from_elsewhere_names_no_file_of_this_machine(tmp_path: Path, address: str) -> None:
    video = encode(tmp_path / "secret.ts", bframes=0)
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1.6,\nfile://{video}\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.m3u8").write_text(playlist)
    with pytest.raises(InputError, match=r"no video can be read|broke off"):
        open_frames(f"{address}/list.m3u8")


@pytest.mark.parametrize(
    ("arguments", "message"), [(("640",), "WIDTHxHEIGHT"), (("0x4",), "WIDTHxHEIGHT"), (("4x4", "rgb"), "rgb24")]
)
def test_raw_frames_that_are_none(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RawFrames(*arguments)


def test_several_videos_have_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("clips/a10.mp4", "clips/a9.mp4", "more/A9.mov", "clips/b.txt"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    found = find_sources(["clips/*.mp4", "more/A9.mov", "more", "-", "3", "rtsp://u:p@host:5/hall/1.sdp", "gone.avi"])
    assert found == {
        "a9": "clips/a9.mp4", "a10": "clips/a10.mp4", "A9-2": "more/A9.mov", "more": "more", "stdin": "-",
        "camera3": "3", "1": "rtsp://u:p@host:5/hall/1.sdp", "gone": "gone.avi",
    }  # fmt: skip


@pytest.mark.parametrize(("given", "message"), [([], "no video"), (["*.x"], "no file fits"), (["-", "-"], "once")])
def test_no_video_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        find_sources(given)


@pytest.mark.parametrize("given", ["..", ".", "/", "http://host/", "rtsp://host/..%2f..", ".hidden.mp4", "a/b:c.mp4"])
def test_results_have_plain_names(given: str) -> None:
    name = source_name(given)
    assert name
    assert not name.startswith(".")
    assert not set(name) & set("/\\:")


def test_a_single_picture(tmp_path: Path) -> None:
    Image.fromarray(picture(3, 48, 96)).save(tmp_path / "cat.PNG")
    with open_frames(tmp_path / "cat.PNG") as video:
        (frame,) = video.frames()
        assert (video.name, video.length, frame.name) == ("cat", 1, "cat")
    np.testing.assert_array_equal(frame.picture, picture(3, 48, 96))


def test_time_goes_on_where_a_clock_jumps_back(tmp_path: Path) -> None:
    content = b"".join(encode(tmp_path / f"{part}.ts", bframes=0, numbers=range(9)).read_bytes() for part in "ab")
    with LiveStream(io.BytesIO(content), "v", "v") as video:
        times = [frame.time for frame in video.frames()]
    np.testing.assert_allclose(np.diff([float(time) for time in times]), 1 / 25, atol=1e-4)
