from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from refsam_zoo.inference.open_outputs import OpenOutputs
from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.inference.overlay import Overlay


def test_pictures_have_their_times_and_masks(tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]) -> None:
    uneven = [frame._replace(time=Fraction(frame.position**2, 1000)) for frame in frames]
    facts = replace(facts, time_unit=Fraction(1, 1000))
    for part, kept in ((uneven[:6], None), (uneven[6:], {"overlay": 6})):
        with OpenOutputs(["overlay"], tmp_path, facts, kept) as outputs:
            for frame in part:
                outputs.add(frame)
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        shown = list(container.decode(video=0))
    np.testing.assert_allclose([picture.time for picture in shown], [float(frame.time) for frame in uneven], atol=1e-6)
    overlay = Overlay(facts.size, facts.expressions)
    for picture, frame in zip(shown, uneven, strict=True):
        drawn = overlay.draw(frame.found.frame, frame.found.masks)
        assert abs(picture.to_ndarray(format="rgb24").astype(int) - drawn).mean() < 12, "what H.264 leaves of noise"
