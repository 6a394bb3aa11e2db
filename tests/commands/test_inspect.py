"""`refsam-zoo inspect` as a user types it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from refsam_zoo.cli import main


def test_what_is_there_is_printed_and_drawn(
    make_tree: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    root = make_tree(videos={"a": 2})
    assert main(["inspect", str(root)]) == 0
    paragraphs = capsys.readouterr().out.split("\n\n")
    assert paragraphs[0] == f"ReferYouTubeVOS in {root}"
    assert paragraphs[1].startswith("train\n  videos       1\n  frames       2; ")
    assert paragraphs[2] == "wrote contact_sheet.png"
    assert paragraphs[-1].endswith("every file is there and can be read\n")
    with Image.open(tmp_path / "contact_sheet.png") as sheet:
        assert sheet.format == "PNG"


def test_a_broken_file_is_printed_and_the_end_of_it(
    make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_tree(videos={"a": 2})
    (root / "train" / "JPEGImages" / "a" / "00005.jpg").write_bytes(b"")
    assert main(["inspect", str(root), f"--contact_sheet={tmp_path / 'sheet.png'}", "--workers=1"]) == 2
    out, err = capsys.readouterr()
    assert f"{root}/train/JPEGImages/a/00005.jpg: " in out
    assert err.splitlines()[-1] == f"refsam-zoo: error: {root}: 1 broken or missing, each named above"
    assert main(["inspect", str(tmp_path / "absent")]) == 2
    assert "no such folder" in capsys.readouterr().err
