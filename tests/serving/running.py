"""A server that runs in a thread, and a visitor that talks to it as a program does."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
from serving.colour_finder import ColourFinder

from refsam_zoo.serving.limits import Limits
from refsam_zoo.serving.server import PageServer
from refsam_zoo.systems.base import VideoSegmenter

SIZE = (48, 64)
SENTENCES = ["the red box", "what is green"]
LIMITS = Limits(upload_mb=1, seconds=3.0, frames=40, sentences=2, clips=3)
Body = bytes | Iterable[bytes] | None


def write_film(path: Path, frames: int = 6, fps: int = 6, codec: str = "libx264") -> Path:
    """A red box that moves over grey, and a green one that stands still and is gone in the second half."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=fps, options={"crf": "10", "bf": "0", "g": "2"})
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        for time in range(frames):
            picture = np.full((*SIZE, 3), 100, np.uint8)
            left = 4 + 28 * time // frames
            picture[8:24, left : left + 16] = 230, 30, 30
            if time < frames // 2:
                picture[28:44, 40:56] = 30, 200, 30
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


class Visitor:
    """Talks to a server and remembers nothing."""

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            chunked = body is not None and not isinstance(body, bytes)
            connection.request(method, path, body, dict(headers or {}), encode_chunked=chunked)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: Any = None, expected: int = 200) -> Any:
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        status, _, answer = self.ask(method, path, content)
        assert status == expected, answer
        return json.loads(answer)

    def bring(self, film: Path) -> Any:
        return self.json("POST", "/clips", film.read_bytes(), 201)

    def run(self, clip: Mapping[str, Any], *sentences: str, marks: Sequence[Any] = ()) -> None:
        self.json("POST", f"/clips/{clip['id']}/run", {"sentences": sentences, "marks": marks}, 202)

    @contextmanager
    def following(self, clip: Mapping[str, Any]) -> Iterator[Iterator[tuple[str, Any]]]:
        """Follows a clip; yields its events, each a kind and what it says."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        connection.request("GET", f"/clips/{clip['id']}/events")
        answer = connection.getresponse()
        assert answer.status == 200

        def events() -> Iterator[tuple[str, Any]]:
            while line := answer.readline().decode():
                if line.startswith("event: "):
                    yield line[7:].strip(), json.loads(answer.readline().decode()[6:])

        try:
            yield events()
        finally:
            answer.close()
            connection.close()


@contextmanager
def running(
    system: VideoSegmenter[Any] | None = None, limits: Limits | None = None, token: str | None = None
) -> Iterator[PageServer]:
    server = PageServer(system or ColourFinder(), nullcontext, limits or Limits(), "127.0.0.1", 0, token)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()


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


def until_the_end(events: Iterator[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """What is told up to the end of a run."""
    told = []
    for event in events:
        told.append(event)
        if event[0] == "end":
            assert event[1]["state"] == "finished"
            break
    return told
