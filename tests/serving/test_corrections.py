"""Marks of a visitor: later frames follow them, bad ones are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving.colour_finder import ColourFinder
from serving.running import SENTENCES, SIZE, Visitor, running, until_the_end

from refsam_zoo.video.run_lengths import RunLengths


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


def masks_of(told: list[tuple[str, Any]]) -> np.ndarray:
    """Masks of the frames that were told, bool `[T, N, H, W]`."""
    frames = [what["masks"] for kind, what in told if kind == "frame"]
    return np.array([[RunLengths(SIZE, counts).decode() for counts in masks] for masks in frames])
