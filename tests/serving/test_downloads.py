"""What can be taken home: every output, each frame in it."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from serving.running import SENTENCES

from refsam_zoo.inference.outputs import OUTPUTS


@pytest.mark.parametrize("name", [*OUTPUTS])
def test_each_output_can_be_taken_home(finished: Any, expected: np.ndarray, name: str) -> None:
    visitor, clip, _ = finished
    status, headers, content = visitor.ask("GET", f"/clips/{clip['id']}/outputs/{name}")
    assert status == 200, content
    suffix = Path(OUTPUTS.get(name).file).suffix or ".zip"
    assert headers["content-disposition"] == f'attachment; filename="clip-{name}{suffix}"'
    assert holds_all(content, suffix, name, expected)


def test_what_is_taken_again_takes_no_more_room(finished: Any, folder: Path) -> None:
    visitor, clip, _ = finished
    sizes = []
    for _ in range(3):
        assert visitor.ask("GET", f"/clips/{clip['id']}/outputs/masks")[0] == 200
        sizes.append(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
    assert sizes[1] == sizes[2]


def test_an_unknown_output(finished: Any) -> None:
    visitor, clip, _ = finished
    assert "did you mean 'masks'" in visitor.json("GET", f"/clips/{clip['id']}/outputs/mask", None, 400)["error"]


def holds_all(content: bytes, suffix: str, name: str, expected: np.ndarray) -> bool:
    """Whether a file can be read and has every frame."""
    if suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert json.loads(archive.read("expressions.json"))["expressions"] == {"1": SENTENCES[0], "2": SENTENCES[1]}
            files = [file for file in archive.namelist() if file.startswith(f"{name}/") and "/clip/" in file]
            if name == "masks":
                first = np.asarray(Image.open(archive.open("masks/clip/1/00000.png")))
                np.testing.assert_array_equal(first > 0, expected[0, 0])
        return len(files) == len(expected) * {"masks": 2, "cutouts": 2, "labels": 3}.get(name, 1)
    if suffix == ".json":
        found = json.loads(content)
        return len(found["frames"] if "frames" in found else found["annotations"][0]["segmentations"]) == len(expected)
    if suffix == ".png":
        return Image.open(io.BytesIO(content)).width > 0
    with av.open(io.BytesIO(content)) as container:
        return len([*container.decode(video=0)]) == len(expected)
