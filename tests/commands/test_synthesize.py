from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest

from refsam_zoo.cli import main
from refsam_zoo.synthesis import SPLITS, SynthesisOptions

TINY = ["--image_size", "64", "--frames", "6", *(word for split in SPLITS for word in (f"--{split}_videos", "1"))]


def test_help_documents_every_knob(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["synthesize", "--help"])
    text = capsys.readouterr().out
    for field in dataclasses.fields(SynthesisOptions):
        assert re.search(rf"--{field.name} \S+\s+\w+ [^(]{{12,}}\(type:", text), f"--{field.name} is not explained"


def test_the_command_writes_what_the_options_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synthesize", str(tmp_path / "shapes"), *TINY, "--seed", "4", "--mp4", "none"]) == 0
    options = json.loads((tmp_path / "shapes" / "refshapes.json").read_text())["options"]
    assert (options["seed"], options["image_size"], options["mp4"]) == (4, 64, "none")
    assert sorted(path.name for path in (tmp_path / "shapes").iterdir()) == sorted(
        [*SPLITS, "meta_expressions", "refshapes.json"]
    )
    assert main(["synthesize", str(tmp_path / "shapes"), *TINY]) == 2
    assert "seed 4, not 0" in capsys.readouterr().err.splitlines()[-1]


def test_an_impossible_option_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["synthesize", str(tmp_path / "shapes"), "--frames", "4"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "frames: 4" in error
