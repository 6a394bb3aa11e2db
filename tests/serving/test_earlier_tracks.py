"""Tracks are copied in places that get rarer, and a correction begins with the last one before it."""

from __future__ import annotations

import threading

from refsam_zoo.serving.earlier_tracks import MOST, EarlierTracks


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
