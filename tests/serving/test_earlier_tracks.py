"""Tracks are copied in places that get rarer, and a correction begins with the last one before it."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from systems.builders import write_refsam

from refsam_zoo import create_system
from refsam_zoo.serving.earlier_tracks import MOST, EarlierTracks
from refsam_zoo.systems.session import VideoSession


def test_the_last_copy_before_a_frame_is_given_and_later_ones_are_forgotten() -> None:
    earlier, track = EarlierTracks(), [[0]]
    for frame in range(11):
        earlier.add(frame, track)
        track[0][0] += 1
    found = earlier.before(6)
    assert found == (4, [[4]])
    found[1][0][0] = 99
    assert earlier.before(10) == (4, [[4]])
    assert earlier.before(3) == (0, [[0]])


def test_there_are_never_many() -> None:
    earlier = EarlierTracks()
    for frame in range(1800):
        earlier.add(frame, [frame])
        place = earlier.before(frame)
        assert place is not None
        assert frame - place[0] <= max(4, 2 * frame / MOST)


def test_what_cannot_be_copied_is_done_without() -> None:
    earlier = EarlierTracks()
    earlier.add(0, [threading.Lock()])
    assert earlier.before(5) is None


def test_a_system_goes_on_from_a_copy_as_if_nothing_had_been(tmp_path: Path) -> None:
    system = create_system("refsam", device="cpu", **write_refsam(tmp_path))
    frames = np.random.default_rng(0).integers(0, 256, (7, 40, 56, 3), dtype=np.uint8)
    earlier, session = EarlierTracks(), VideoSession(system, ["the red square", "the star"])
    found = []
    for frame, picture in enumerate(frames):
        earlier.add(frame, session.tracks)
        found.append(session(picture))
    again = VideoSession(system, ["the red square", "the star"])
    kept = earlier.before(5)
    assert kept is not None
    begin, again.tracks = kept
    assert begin == 4
    assert any(one.masks.any() for one in found[begin:])
    for expected, picture in zip(found[begin:], frames[begin:], strict=True):
        one = again(picture)
        np.testing.assert_array_equal(one.masks, expected.masks)
        np.testing.assert_array_equal(one.scores, expected.scores)
