"""A server, a clip and a visitor, for tests of every part of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving.colour_finder import ColourFinder
from serving.running import LIMITS, SENTENCES, Visitor, running, until_the_end, write_film

from refsam_zoo.serving.server import PageServer
from refsam_zoo.video.readers import open_video


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


@pytest.fixture(scope="module")
def finished(server: PageServer, film: Path) -> Iterator[tuple[Visitor, Any, list[tuple[str, Any]]]]:
    """A visitor, its clip, and all that it was told of a whole run."""
    visitor = Visitor(server.url)
    clip = visitor.bring(film)
    with visitor.following(clip) as events:
        visitor.run(clip, *SENTENCES)
        yield visitor, clip, until_the_end(events)
