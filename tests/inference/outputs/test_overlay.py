from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.overlay import overlay


def test_pictures_have_their_times_and_masks(tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]) -> None:
    uneven = [frame._replace(time=Fraction(frame.position**2, 1000)) for frame in frames]
    for part, kept in ((uneven[:6], None), (uneven[6:], 6)):
        with overlay(tmp_path, replace(facts, time_unit=Fraction(1, 1000)), kept) as output:
            for frame in part:
                output.add(frame)
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        shown = list(container.decode(video=0))
    np.testing.assert_allclose([picture.time for picture in shown], [float(frame.time) for frame in uneven], atol=1e-6)
    for picture, frame in zip(shown, uneven, strict=True):
        drawn = output._overlay.draw(frame.found.frame, frame.found.masks)
        assert abs(picture.to_ndarray(format="rgb24").astype(int) - drawn).mean() < 12, "what H.264 leaves of noise"
