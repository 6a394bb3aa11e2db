from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import simplejpeg

from refsam_zoo.errors import InputError
from refsam_zoo.types import VideoSource
from refsam_zoo.video.readers import VideoOpener

NAMES = ("0", "1", "2")


@pytest.fixture
def sources(tmp_path: Path) -> list[VideoSource]:
    for video in ("a", "b"):
        (tmp_path / video).mkdir()
        for name in NAMES:
            picture = np.full((16, 24, 3), 20 * int(name), np.uint8)
            (tmp_path / video / f"{name}.jpg").write_bytes(simplejpeg.encode_jpeg(picture))
    return [VideoSource(tmp_path / video) for video in ("a", "b")]


def test_a_video_stays_open_until_another_is_wanted(sources: list[VideoSource]) -> None:
    opener = VideoOpener()
    first = opener.open(sources[0], NAMES)
    assert opener.open(sources[0], list(NAMES)) is first
    assert opener.open(sources[0], NAMES[1:]) is not first
    assert opener.open(sources[1], NAMES).path == sources[1].path


def test_a_closed_opener_opens_again(sources: list[VideoSource]) -> None:
    opener = VideoOpener()
    first = opener.open(sources[0], NAMES)
    opener.close()
    assert opener.open(sources[0], NAMES) is not first


def test_pickling_leaves_the_open_video_behind(sources: list[VideoSource]) -> None:
    opener = VideoOpener("pyav", time_limit=7)
    opener.open(sources[0], NAMES)
    copy = pickle.loads(pickle.dumps(opener))
    assert (copy.backend, copy.time_limit) == ("pyav", 7)
    assert copy.open(sources[0], NAMES).time_limit == 7


def test_a_fork_opens_for_itself(sources: list[VideoSource]) -> None:
    opener = VideoOpener()
    parents = opener.open(sources[0], NAMES)
    child = os.fork()
    if child == 0:
        os._exit(opener.open(sources[0], NAMES) is parents)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert opener.open(sources[0], NAMES) is parents


def test_after_a_video_that_cannot_be_opened_the_next_one_can(sources: list[VideoSource], tmp_path: Path) -> None:
    opener = VideoOpener()
    opener.open(sources[0], NAMES)
    with pytest.raises(InputError, match="no such video"):
        opener.open(VideoSource(tmp_path / "c.mp4"), NAMES)
    assert opener.open(sources[0], NAMES).read([2]).max() > 30
