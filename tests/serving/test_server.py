"""Start and end of the server itself."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest
import torch
from serving.colour_finder import ColourFinder
from serving.running import LIMITS, Visitor, on_disk, running

from refsam_zoo.errors import InputError
from refsam_zoo.serving.server import PageServer


def test_the_server_leaves_nothing(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_port_that_is_taken(server: PageServer, system: ColourFinder) -> None:
    port = int(server.url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(InputError, match=rf"--port {port}: .*--port 0"):
        PageServer(system, lambda: torch.inference_mode(), LIMITS, "127.0.0.1", port)
