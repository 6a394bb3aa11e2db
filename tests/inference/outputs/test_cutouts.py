from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from refsam_zoo.inference.outputs import SegmentedFrame, VideoFacts
from refsam_zoo.inference.outputs.cutouts import cutouts


def test_only_what_is_in_the_mask_is_there(tmp_path: Path, facts: VideoFacts, frames: list[SegmentedFrame]) -> None:
    with cutouts(tmp_path, facts) as output:
        for frame in frames:
            output.add(frame)
    for frame in frames:
        for number, mask in enumerate(frame.found.masks, 1):
            with Image.open(tmp_path / "cutouts" / "cat" / str(number) / f"{frame.name}.png") as image:
                assert image.mode == "RGBA"
                picture = np.asarray(image)
            np.testing.assert_array_equal(picture[..., 3], mask * 255)
            np.testing.assert_array_equal(picture[mask][:, :3], frame.found.frame[mask])
            assert not picture[~mask].any(), "what is cut away cannot be seen by removing the alpha"
