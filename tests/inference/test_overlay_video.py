from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.inference.overlay_video import OverlayVideoWriter


def read(path: Path) -> tuple[np.ndarray, float]:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        rate = container.streams.video[0].average_rate
    assert rate is not None
    return np.stack(frames), float(rate)


@pytest.mark.parametrize("fps", [6.0, 29.97, 25])
def test_pictures_come_back(tmp_path: Path, fps: float) -> None:
    pictures = np.zeros((7, 64, 96, 3), np.uint8)
    pictures += np.arange(40, 215, 25, dtype=np.uint8)[:, None, None, None]
    with OverlayVideoWriter(tmp_path / "overlay.mp4", (64, 96), fps) as video:
        for picture in pictures:
            video.write(picture)
        assert not (tmp_path / "overlay.mp4").exists(), "only a whole file has the name"
    decoded, rate = read(tmp_path / "overlay.mp4")
    assert rate == pytest.approx(fps, abs=0.01)
    np.testing.assert_allclose(decoded.astype(int), pictures, atol=4)


@pytest.mark.parametrize("fps", [0.0, float("nan"), float("inf")])
def test_unknown_rate(tmp_path: Path, fps: float) -> None:
    with OverlayVideoWriter(tmp_path / "overlay.mp4", (64, 96), fps) as video:
        video.write(np.zeros((64, 96, 3), np.uint8))
    assert read(tmp_path / "overlay.mp4")[1] == 25


def test_nothing_is_left_of_a_broken_run(tmp_path: Path) -> None:
    def run() -> None:
        with OverlayVideoWriter(tmp_path / "overlay.mp4", (64, 96), 6) as video:
            video.write(np.zeros((64, 96, 3), np.uint8))
            raise KeyError

    with pytest.raises(KeyError):
        run()
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"overlay\.mp4 cannot be written"):
        OverlayVideoWriter(tmp_path / "missing" / "overlay.mp4", (64, 96), 6)
