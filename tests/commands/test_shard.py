"""`refsam-zoo shard` as a user types it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from refsam_zoo.cli import main


def test_what_is_written_is_printed(
    make_tree: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "shards"
    command = ["shard", str(make_tree(videos={"a": 2, "b": 2, "c": 2})), str(output)]
    assert main([*command, "--videos_per_shard=2", "--workers=1"]) == 0
    assert capsys.readouterr().out == f"wrote 2 shards with 3 videos in {output / 'train'}\n"
    assert sorted(path.name for path in (output / "train").iterdir()) == ["000000.tar", "000001.tar", "index.json"]
    assert main(command) == 2
    assert "index.json: is there already" in capsys.readouterr().err
