"""The pictures on the page are those of the samples that it offers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from refsam_zoo.serving.application import PAGE
from refsam_zoo.serving.samples import SAMPLES, write_sample
from refsam_zoo.video.readers import open_video


@pytest.mark.parametrize("number", range(1, len(SAMPLES) + 1))
def test_the_picture_of_a_sample_is_its_first_frame(number: int, tmp_path: Path) -> None:
    sentences = write_sample(number, tmp_path / "video")
    assert len(sentences) >= 2
    picture = np.asarray(Image.open(PAGE / f"sample-{number}.jpg"), int)
    with open_video(tmp_path / "video") as video:
        frame = cv2.resize(video.read([0])[0], picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(picture - frame).mean() < 6
