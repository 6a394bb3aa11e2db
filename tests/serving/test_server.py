"""The server without its page: limits, who may ask, the queue, and that nothing stays and no path is shown."""

from __future__ import annotations

import io
import json
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image
from serving.colour_finder import ColourFinder
from serving.running import SIZE, Visitor, running, write_film
from torch import Tensor

from refsam_zoo.errors import InputError
from refsam_zoo.inference.outputs import OUTPUTS
from refsam_zoo.serving.clip_store import ClipStore
from refsam_zoo.serving.clips import Clip, GoneError
from refsam_zoo.serving.limits import Limits
from refsam_zoo.serving.server import PageServer
from refsam_zoo.serving.uploads import plain_name
from refsam_zoo.systems.base import Found
from refsam_zoo.video.readers import open_video
from refsam_zoo.video.run_lengths import RunLengths

SENTENCES = ["the red box", "what is green"]
LIMITS = Limits(upload_mb=1, seconds=3.0, frames=40, sentences=2, clips=3)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("films") / "film.mp4")


@pytest.fixture(scope="module")
def expected(film: Path) -> np.ndarray:
    """Masks of `SENTENCES`, bool `[T, N, H, W]`."""
    with open_video(film) as video:
        return np.stack([found.masks for found in ColourFinder().stream(video.stream(), SENTENCES)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where temporary folders are made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("temporary")))
        yield Path(tempfile.gettempdir())


@pytest.fixture(scope="module")
def system() -> ColourFinder:
    return ColourFinder()


@pytest.fixture(scope="module")
def server(folder: Path, system: ColourFinder) -> Iterator[PageServer]:
    with running(system, LIMITS) as server:
        yield server


@pytest.fixture
def visitor(server: PageServer) -> Visitor:
    return Visitor(server.url)


@pytest.fixture
def held(system: ColourFinder) -> Iterator[ColourFinder]:
    """The system, which computes nothing until it is let go on."""
    system.may_go_on.clear()
    yield system
    system.may_go_on.set()


def until(right: Callable[[], object]) -> None:
    """Waits until something is so, at most ten seconds."""
    for _ in range(500):
        if right():
            return
        time.sleep(0.02)
    pytest.fail("it did not become so within ten seconds")


def on_disk(folder: Path) -> list[Path]:
    """What the server keeps of its visitors."""
    return list(folder.glob("refsam-zoo-serve-*/*"))


@pytest.fixture(scope="module")
def finished(server: PageServer, film: Path) -> Iterator[tuple[Visitor, Any, list[tuple[str, Any]]]]:
    """A visitor, its clip, and all that it was told of a whole run."""
    visitor = Visitor(server.url)
    clip = visitor.bring(film)
    with visitor.following(clip) as events:
        visitor.run(clip, *SENTENCES)
        told = []
        for event in events:
            told.append(event)
            if event[0] == "end":
                break
        yield visitor, clip, told


class TestARun:
    def test_frames_come_in_order_with_their_masks(self, finished: Any, expected: np.ndarray) -> None:
        _, clip, told = finished
        assert (clip["width"], clip["height"], clip["frames"], clip["fps"]) == (*SIZE[::-1], len(expected), 6)
        assert told[0] == ("run", {"sentences": SENTENCES, "first": 0})
        assert told[-1] == ("end", {"state": "finished", "message": ""})
        frames = [what for kind, what in told if kind == "frame"]
        assert [frame["frame"] for frame in frames] == list(range(len(expected)))
        assert [frame["time"] for frame in frames] == pytest.approx([number / 6 for number in range(len(expected))])
        assert frames[0]["scores"] == [1.0, 0.5]
        masks = [[RunLengths(SIZE, counts).decode() for counts in frame["masks"]] for frame in frames]
        assert expected[:3].any(axis=(2, 3)).all()
        np.testing.assert_array_equal(masks, expected)

    def test_pictures_are_those_of_the_film(self, finished: Any, film: Path) -> None:
        visitor, clip, _ = finished
        status, _, content = visitor.ask("GET", f"/clips/{clip['id']}/pictures/4")
        with open_video(film) as video:
            difference = np.asarray(Image.open(io.BytesIO(content)), int) - video.read([4])[0]
        assert status == 200
        assert np.abs(difference).mean() < 3
        assert visitor.ask("GET", f"/clips/{clip['id']}/pictures/6")[0] == 404

    @pytest.mark.parametrize("name", [*OUTPUTS])
    def test_each_output_can_be_taken_home(self, finished: Any, expected: np.ndarray, name: str) -> None:
        visitor, clip, _ = finished
        status, headers, content = visitor.ask("GET", f"/clips/{clip['id']}/outputs/{name}")
        assert status == 200, content
        suffix = Path(OUTPUTS.get(name).file).suffix or ".zip"
        assert headers["content-disposition"] == f'attachment; filename="clip-{name}{suffix}"'
        assert holds_all(content, suffix, name, expected)

    def test_what_is_taken_again_takes_no_more_room(self, finished: Any, folder: Path) -> None:
        visitor, clip, _ = finished
        sizes = []
        for _ in range(3):
            assert visitor.ask("GET", f"/clips/{clip['id']}/outputs/masks")[0] == 200
            sizes.append(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
        assert sizes[1] == sizes[2]


def holds_all(content: bytes, suffix: str, name: str, expected: np.ndarray) -> bool:
    """Whether a file can be read and has every frame."""
    if suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert json.loads(archive.read("expressions.json"))["expressions"] == {"1": SENTENCES[0], "2": SENTENCES[1]}
            files = [file for file in archive.namelist() if file.startswith(f"{name}/") and "/clip/" in file]
            if name == "masks":
                first = np.asarray(Image.open(archive.open("masks/clip/1/00000.png")))
                np.testing.assert_array_equal(first > 0, expected[0, 0])
        return len(files) == len(expected) * {"masks": 2, "cutouts": 2, "labels": 3}.get(name, 1)
    if suffix == ".json":
        found = json.loads(content)
        return len(found["frames"] if "frames" in found else found["annotations"][0]["segmentations"]) == len(expected)
    if suffix == ".png":
        return Image.open(io.BytesIO(content)).width > 0
    with av.open(io.BytesIO(content)) as container:
        return len([*container.decode(video=0)]) == len(expected)


class TestCorrections:
    """A click on the green box makes the first sentence mean that, from its frame on."""

    GREEN = {"sentence": 0, "points": [[48, 36]], "wanted": [True]}  # noqa: RUF012

    @pytest.mark.parametrize("interrupted", [False, True])
    def test_later_frames_follow_and_earlier_ones_stay(
        self, visitor: Visitor, system: ColourFinder, film: Path, expected: np.ndarray, interrupted: bool
    ) -> None:
        clip = visitor.bring(film)
        with visitor.following(clip) as events:
            visitor.run(clip, *SENTENCES)
            assert masks_of(until_the_end(events)).tolist() == expected.tolist()
            if interrupted:  # another clip is at work meanwhile, and what was known of this one is gone
                other = visitor.bring(film)
                with visitor.following(other) as its_events:
                    visitor.run(other, "green")
                    until_the_end(its_events)
            before = system.frames
            visitor.run(clip, *SENTENCES, marks=[{"frame": 5, **self.GREEN}])
            told = until_the_end(events)
            assert told[0] == ("run", {"sentences": SENTENCES, "first": 5})
            assert [what["frame"] for kind, what in told if kind == "frame"] == [5]
            assert system.frames - before == (6 if interrupted else 2)

            visitor.run(clip, *SENTENCES, marks=[{"frame": 1, **self.GREEN}])
            told = until_the_end(events)
            corrected = masks_of(told)
            assert corrected.shape == (5, 2, *SIZE)
            np.testing.assert_array_equal(corrected[:, 0], expected[1:, 1])
            np.testing.assert_array_equal(corrected[:, 1], expected[1:, 1])
            assert [what["scores"][0] for kind, what in told if kind == "frame"] == [0.75, 1, 1, 1, 1]
            content = visitor.ask("GET", f"/clips/{clip['id']}/outputs/tracks")[2]
            areas = [[one["area"] for one in frame["objects"]] for frame in json.loads(content)["frames"]]
            kept = np.concatenate([expected[:1], corrected])
            np.testing.assert_array_equal(areas, kept.sum(axis=(2, 3)))

            visitor.run(clip, *SENTENCES)
            assert masks_of(until_the_end(events)).tolist() == expected[1:].tolist()

    @pytest.mark.parametrize(
        ("mark", "message"),
        [
            ("here", "a mark is {"),
            ({"frame": 6, **GREEN}, "frame 0 to 5, not 6"),
            ({"frame": True, **GREEN}, "frame 0 to 5, not True"),
            ({"frame": 0, **GREEN, "sentence": 2}, "sentence 0 to 1, not 2"),
            ({"frame": 0, "sentence": 0}, "needs points"),
            ({"frame": 0, **GREEN, "points": [[65, 0]]}, "outside the frame"),
            ({"frame": 0, **GREEN, "points": "all"}, "points must be"),
            ({"frame": 0, **GREEN, "wanted": [2]}, "labels must be"),
            ({"frame": 0, "sentence": 0, "box": [9, 9, 1, 1]}, "box must be"),
        ],
    )
    def test_bad_marks(self, finished: Any, mark: Any, message: str) -> None:
        visitor, clip, _ = finished
        body = {"sentences": SENTENCES, "marks": [mark]}
        assert message in visitor.json("POST", f"/clips/{clip['id']}/run", body, 400)["error"]

    def test_a_system_that_takes_none(self, film: Path) -> None:
        class Fixed(ColourFinder):
            takes_corrections = False

        with running(Fixed()) as server:
            visitor = Visitor(server.url)
            body = {"sentences": SENTENCES, "marks": [{"frame": 0, **self.GREEN}]}
            clip = visitor.bring(film)
            assert "no corrections" in visitor.json("POST", f"/clips/{clip['id']}/run", body, 400)["error"]
            assert visitor.json("GET", "/settings")["takes_marks"] is False


def until_the_end(events: Iterator[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """What is told up to the end of a run."""
    told = []
    for event in events:
        told.append(event)
        if event[0] == "end":
            assert event[1]["state"] == "finished"
            break
    return told


def masks_of(told: list[tuple[str, Any]]) -> np.ndarray:
    """Masks of the frames that were told, bool `[T, N, H, W]`."""
    frames = [what["masks"] for kind, what in told if kind == "frame"]
    return np.array([[RunLengths(SIZE, counts).decode() for counts in masks] for masks in frames])


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


class TestQuestions:
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"{", "no JSON"),
            ([], "no JSON object"),
            ({"sentences": "red"}, "say what to look for"),
            ({"sentences": []}, "no sentence"),
            ({"sentences": ["red", " "]}, "sentence 2 is empty"),
            ({"sentences": ["red"] * 3}, "at most 2 sentences"),
            ({"sentences": ["red" * 200]}, "at most 500 characters"),
        ],
    )
    def test_bad_ones(self, finished: Any, body: Any, message: str) -> None:
        visitor, clip, _ = finished
        assert message in visitor.json("POST", f"/clips/{clip['id']}/run", body, 400)["error"]

    def test_too_long_a_body(self, finished: Any) -> None:
        visitor, clip, _ = finished
        visitor.json("POST", f"/clips/{clip['id']}/run", b" " * 100_001, 413)

    def test_an_unknown_output(self, finished: Any) -> None:
        visitor, clip, _ = finished
        assert "did you mean 'masks'" in visitor.json("GET", f"/clips/{clip['id']}/outputs/mask", None, 400)["error"]

    def test_nothing_found_yet(self, visitor: Visitor, film: Path) -> None:
        clip = visitor.bring(film)
        assert "nothing was found" in visitor.json("GET", f"/clips/{clip['id']}/outputs/masks", None, 400)["error"]
        visitor.json("DELETE", f"/clips/{clip['id']}")
        assert "deleted" in visitor.json("POST", f"/clips/{clip['id']}/run", {"sentences": ["red"]}, 404)["error"]

    @pytest.mark.parametrize("path", ["/page/../guard.py", "/page/%2e%2e/guard.py", "/page//etc/passwd"])
    def test_no_way_out_of_the_page(self, visitor: Visitor, path: str) -> None:
        assert visitor.ask("GET", path)[0] == 404


class TestStopping:
    def test_stop_ends_within_a_frame(self, visitor: Visitor, held: ColourFinder, film: Path) -> None:
        clip, before = visitor.bring(film), held.frames
        with visitor.following(clip) as events:
            visitor.run(clip, "red")
            until(lambda: not held.may_go_on.is_set())
            visitor.json("POST", f"/clips/{clip['id']}/stop", {}, 202)
            held.may_go_on.set()
            end = next(what for kind, what in events if kind == "end")
        assert end == {"state": "stopped", "message": ""}
        assert held.frames - before <= 1

    def test_a_closed_page_ends_its_work_and_deletes_its_clip(
        self, visitor: Visitor, held: ColourFinder, film: Path, folder: Path
    ) -> None:
        others, before = on_disk(folder), held.frames
        clip = visitor.bring(film)
        (own,) = set(on_disk(folder)) - set(others)
        with visitor.following(clip) as events:
            visitor.run(clip, "red")
            assert next(events)[0] == "run"
        until(lambda: visitor.ask("GET", f"/clips/{clip['id']}/pictures/0")[0] == 404)
        held.may_go_on.set()
        until(lambda: not own.exists())
        assert held.frames - before <= 1

    def test_a_new_question_takes_the_place_of_the_former(
        self, visitor: Visitor, held: ColourFinder, film: Path
    ) -> None:
        clip = visitor.bring(film)
        with visitor.following(clip) as events:
            visitor.run(clip, "red")
            assert next(events) == ("run", {"sentences": ["red"], "first": 0})
            visitor.run(clip, "green")
            held.may_go_on.set()
            told = []
            for event in events:
                told.append(event)
                if event[0] == "end":
                    break
        assert ("run", {"sentences": ["green"], "first": 0}) in told
        assert told[-1] == ("end", {"state": "finished", "message": ""})

    def test_clips_wait_in_a_queue(self, visitor: Visitor, held: ColourFinder, film: Path) -> None:
        first, second = visitor.bring(film), visitor.bring(film)
        with visitor.following(first) as earlier, visitor.following(second) as later:
            visitor.run(first, "red")
            visitor.run(second, "green")
            assert next(later)[0] == "run"
            assert next(later) == ("queue", {"ahead": 1})
            held.may_go_on.set()
            assert next(what for kind, what in earlier if kind == "end")["state"] == "finished"
            assert next(what for kind, what in later if kind == "end")["state"] == "finished"

    def test_the_server_leaves_nothing(self, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        system = ColourFinder()
        system.may_go_on.clear()
        with running(system) as server:
            visitor = Visitor(server.url)
            clip = visitor.bring(film)
            visitor.run(clip, "red")
            assert on_disk(tmp_path)
            threading.Timer(0.3, system.may_go_on.set).start()
        assert list(tmp_path.iterdir()) == []
        assert system.frames <= 1


class Failing(ColourFinder):
    """Fails, or runs out of memory, at the third frame, naming a path."""

    def segment(self, images: Tensor, track: list[int]) -> Iterator[Found]:
        for found in super().segment(images, track):
            if self.frames == 3:
                raise RuntimeError("in /srv/secret")
            if self.frames == 10:
                raise torch.OutOfMemoryError("in /srv/secret")
            yield found


def test_a_failure_is_told_without_its_inside_and_the_next_one_is_served(film: Path) -> None:
    with running(Failing()) as server:
        visitor = Visitor(server.url)
        clip = visitor.bring(film)
        with visitor.following(clip) as events:
            ends = []
            for _ in range(3):
                visitor.run(clip, "red")
                ends.append(next(what for kind, what in events if kind == "end"))
    assert [end["state"] for end in ends] == ["failed", "finished", "failed"]
    assert ends[0]["message"] == "something went wrong on the server; its log says what"
    assert "memory" in ends[2]["message"]


def test_a_damaged_frame_is_told_by_the_name_of_the_clip(visitor: Visitor, tmp_path: Path, folder: Path) -> None:
    content = bytearray(write_film(tmp_path / "film.mp4", 18).read_bytes())
    start = content.index(b"mdat")
    length = int.from_bytes(content[start - 4 : start], "big")
    content[start + length // 2 : start + 3 * length // 4] = bytes(3 * length // 4 - length // 2)
    status, _, answer = visitor.ask("POST", "/clips", bytes(content), {"x-file-name": "my%20film.mp4"})
    assert status == 201, answer
    clip = json.loads(answer)
    with visitor.following(clip) as events:
        visitor.run(clip, "red")
        end = next(what for kind, what in events if kind == "end")
    assert end["state"] == "failed"
    assert end["message"].startswith("my film: ")
    assert str(folder) not in end["message"]


TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture(scope="module")
def guarded(folder: Path) -> Iterator[Visitor]:
    with running(token=TOKEN) as server:
        assert server.url.endswith(f"/?token={TOKEN}")
        yield Visitor(server.url)


class TestTheGuard:
    @pytest.mark.parametrize("path", ["/", "/settings", "/page/page.js", "/?token=wrong", "/?token="])
    def test_nothing_without_the_token(self, guarded: Visitor, path: str) -> None:
        status, _, answer = guarded.ask("GET", path)
        assert status == 401
        assert TOKEN not in answer.decode()

    def test_the_token_becomes_a_cookie(self, guarded: Visitor) -> None:
        status, headers, _ = guarded.ask("GET", f"/?token={TOKEN}")
        assert (status, headers["location"]) == (303, "/")
        cookie, *attributes = headers["set-cookie"].split("; ")
        assert {"HttpOnly", "SameSite=strict"} <= set(attributes)
        assert guarded.ask("GET", "/", headers={"cookie": cookie})[0] == 200
        assert guarded.ask("GET", "/", headers={"cookie": f"{cookie}x"})[0] == 401

    def test_programs_give_it_in_a_header(self, guarded: Visitor) -> None:
        assert guarded.ask("GET", "/settings", headers={"authorization": f"Bearer {TOKEN}"})[0] == 200
        assert guarded.ask("GET", "/settings", headers={"authorization": "Bearer ü"})[0] == 401

    @pytest.mark.parametrize(
        ("method", "path", "headers", "status"),
        [
            ("GET", "/settings", {"host": "localhost:1"}, 200),
            ("GET", "/settings", {"host": "[::1]:8000"}, 200),
            ("GET", "/settings", {"host": "evil.example"}, 403),
            ("GET", "/settings", {"host": "localhost.evil.example"}, 403),
            ("GET", "/settings", {"host": "[bad"}, 403),
            ("POST", "/samples/9", {"origin": "https://evil.example"}, 403),
            ("POST", "/samples/9", {"origin": "null"}, 403),
            ("POST", "/samples/9", {"sec-fetch-site": "cross-site"}, 403),
            ("POST", "/samples/9", {"sec-fetch-site": "same-site"}, 403),
            ("POST", "/samples/9", {"sec-fetch-site": "same-origin"}, 400),
            ("GET", "/settings", {"sec-fetch-site": "cross-site"}, 403),
            ("GET", "/", {"sec-fetch-site": "cross-site"}, 200),
        ],
    )
    def test_pages_of_other_sites_get_nothing(
        self, visitor: Visitor, method: str, path: str, headers: dict[str, str], status: int
    ) -> None:
        assert visitor.ask(method, path, None, headers)[0] == status

    @pytest.mark.parametrize("path", ["/", "/settings", "/page/page.css", "/nothing", "/clips/x/pictures/1"])
    def test_every_answer_binds_the_browser(self, visitor: Visitor, path: str) -> None:
        _, headers, _ = visitor.ask("GET", path)
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers


class TestTheStore:
    @pytest.fixture
    def clip(self, film: Path, tmp_path: Path) -> Clip:
        folder = tmp_path / "clip"
        folder.mkdir()
        (folder / "video").write_bytes(film.read_bytes())
        return Clip(folder, "clip", LIMITS)

    @pytest.mark.parametrize(("idle", "stays"), [(20, True), (40, False)])
    def test_a_clip_without_a_page_goes(self, clip: Clip, tmp_path: Path, idle: int, stays: bool) -> None:
        store = ClipStore(tmp_path, LIMITS)
        store.add(clip)
        clip.used -= idle
        store.remove_idle()
        assert clip.folder.exists() is stays
        if not stays:
            with pytest.raises(GoneError):
                store.get(clip.id)

    def test_a_folder_stays_while_something_works_in_it(self, clip: Clip) -> None:
        with clip.hold():
            clip.close()
            assert clip.folder.exists()
        assert not clip.folder.exists()
        with pytest.raises(GoneError), clip.hold():
            pass

    def test_ids_are_long_and_differ(self, clip: Clip, film: Path, tmp_path: Path) -> None:
        folder = tmp_path / "other"
        folder.mkdir()
        (folder / "video").write_bytes(film.read_bytes())
        other = Clip(folder, "clip", LIMITS)
        assert clip.id != other.id
        assert len(clip.id) == 32


def test_a_port_that_is_taken(server: PageServer, system: ColourFinder) -> None:
    port = int(server.url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(InputError, match=rf"--port {port}: .*--port 0"):
        PageServer(system, lambda: torch.inference_mode(), LIMITS, "127.0.0.1", port)
