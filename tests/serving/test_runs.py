"""What a run tells, how it is stopped, the queue, and that a failure keeps its inside to itself."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from serving.colour_finder import ColourFinder
from serving.running import SENTENCES, SIZE, Visitor, on_disk, running, until, write_film
from torch import Tensor

from refsam_zoo.systems.base import Found
from refsam_zoo.video.readers import open_video
from refsam_zoo.video.run_lengths import RunLengths


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
