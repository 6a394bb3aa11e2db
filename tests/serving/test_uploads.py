"""What is taken as a clip, and within which limits."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from serving.running import LIMITS, Visitor, on_disk, running, write_film

from refsam_zoo.serving.limits import Limits
from refsam_zoo.serving.uploads import plain_name


class TestUploads:
    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "empty"),
            (b"this is no video\n" * 100, "no video that can be read"),
            (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{film}\n#EXT-X-ENDLIST\n", "no video that can be read"),
            (b"ffconcat version 1.0\nfile '{name}'\nfile '{film}'\n", "no video that can be read"),
            (b"\xff\xd8\xff\xe0 looks like a JPEG", "no video that can be read"),
        ],
        ids=["empty", "text", "playlist", "list of files", "damaged picture"],
    )
    def test_what_is_no_video(self, visitor: Visitor, film: Path, content: bytes, message: str, folder: Path) -> None:
        before = on_disk(folder)
        body = content.replace(b"{film}", str(film).encode()).replace(b"{name}", film.name.encode())
        error = visitor.json("POST", "/clips", body, 400)["error"]
        assert message in error
        assert str(folder) not in error
        assert on_disk(folder) == before

    def test_a_picture_is_no_video(self, visitor: Visitor) -> None:
        content = io.BytesIO()
        Image.new("RGB", (8, 8)).save(content, "PNG")
        assert "no video" in visitor.json("POST", "/clips", content.getvalue(), 400)["error"]

    def test_a_file_that_is_cut_off(self, visitor: Visitor, film: Path, folder: Path) -> None:
        error = visitor.json("POST", "/clips", film.read_bytes()[:-200], 400)["error"]
        assert str(folder) not in error
        assert "/" not in error

    def test_too_large_by_what_it_says(self, visitor: Visitor) -> None:
        status, _, answer = visitor.ask("POST", "/clips", None, {"content-length": "1000001"})
        assert (status, json.loads(answer)["error"]) == (
            413,
            "the file is larger than 1 MB; send a shorter or smaller one",
        )

    def test_too_large_is_found_while_it_is_read(self, visitor: Visitor) -> None:
        sent = []

        def pieces() -> Iterator[bytes]:
            for _ in range(17):
                sent.append(65536)
                yield bytes(65536)

        assert visitor.ask("POST", "/clips", pieces())[0] == 413
        assert sum(sent) > LIMITS.upload_bytes

    @pytest.mark.parametrize(
        ("frames", "fps", "message"),
        [(19, 6, "takes 3.2 s; at most 3 s"), (41, 30, "has 41 frames; at most 40")],
    )
    def test_too_long(self, visitor: Visitor, tmp_path: Path, frames: int, fps: int, message: str) -> None:
        film = write_film(tmp_path / "long.mp4", frames, fps)
        assert message in visitor.json("POST", "/clips", film.read_bytes(), 400)["error"]

    def test_no_more_clips_than_there_is_room_for(self, film: Path) -> None:
        with running(limits=Limits(clips=1)) as server:
            visitor = Visitor(server.url)
            clip = visitor.bring(film)
            assert "try again" in visitor.json("POST", "/clips", film.read_bytes(), 503)["error"]
            visitor.json("DELETE", f"/clips/{clip['id']}")
            visitor.bring(film)

    def test_larger_frames_are_shrunk(self, film: Path) -> None:
        with running(limits=Limits(max_side=32)) as server:
            clip = Visitor(server.url).bring(film)
            assert (clip["width"], clip["height"]) == (32, 24)

    def test_samples_are_clips_with_sentences(self, visitor: Visitor, folder: Path) -> None:
        before = len(on_disk(folder))
        clip = visitor.json("POST", "/samples/1", {}, 201)
        assert len(clip["suggestions"]) >= 2
        visitor.json("DELETE", f"/clips/{clip['id']}")
        assert len(on_disk(folder)) == before
        assert "samples 1 to 3" in visitor.json("POST", "/samples/4", {}, 400)["error"]


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("holiday.mp4", "holiday"),
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\a.b.mov", "a.b"),
        ("..", "clip"),
        ("\x00\n<b>.mp4", "___b_"),
        ("日本 🐕.webm", "日本 🐕"),
        ("x" * 300, "x" * 80),
    ],
)
def test_names_of_files_become_plain(given: str, plain: str) -> None:
    assert plain_name(given) == plain
