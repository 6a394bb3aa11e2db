"""`refsam-zoo serve` as a user types it; what it serves is tested in tests/serving."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from serving.running import Visitor, write_film

from refsam_zoo.cli import main

SYSTEM = "--system=serving.colour_finder.ColourFinder"
TESTS = Path(__file__).parents[1]


@pytest.mark.slow
def test_it_serves_until_it_is_ended_and_leaves_nothing(tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "refsam_zoo", "serve", SYSTEM, "--host=0.0.0.0", "--port=0", "--max_frames=6"]
    environment = os.environ | {"PYTHONPATH": str(TESTS), "TMPDIR": str(temporary)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().split()[4])
        visitor = Visitor(f"http://127.0.0.1:{address.port}/")
        assert visitor.ask("GET", "/settings")[0] == 401, "it made a token, for others reach it"
        headers = {"authorization": f"Bearer {address.query.removeprefix('token=')}"}
        assert json.loads(visitor.ask("GET", "/settings", None, headers)[2])["system"] == "ColourFinder"
        film = write_film(tmp_path / "film.mp4").read_bytes()
        assert visitor.ask("POST", "/clips", film, headers)[0] == 201
        longer = write_film(tmp_path / "longer.mp4", 7).read_bytes()
        assert visitor.ask("POST", "/clips", longer, headers)[0] == 400
        assert list(temporary.iterdir())
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (143, "")
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give --checkpoint FILE or --system NAME"),
        ([SYSTEM, "--checkpoint=x.ckpt"], "both were given"),
        ([SYSTEM, "--token=short"], "--token has 5 characters; 16 or more"),
        ([SYSTEM, "--host=nobody.invalid", "--port=0"], "--host nobody.invalid"),
        ([SYSTEM, "--max_seconds=0"], "max_seconds"),
        ([SYSTEM, "--port=70000"], "--port 70000"),
    ],
)
def test_mistakes_are_one_line(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
