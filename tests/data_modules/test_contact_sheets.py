from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from refsam_zoo.data_modules.clips import group_by_video
from refsam_zoo.data_modules.contact_sheets import draw_contact_sheet
from refsam_zoo.data_modules.ref_shapes import RefShapes


def test_a_sheet_has_a_row_for_each_video(ref_shapes: Path) -> None:
    videos = group_by_video(RefShapes.splits(ref_shapes)["test"]())[:2]
    sheet = np.asarray(Image.open(io.BytesIO(draw_contact_sheet(videos, columns=3))))
    assert sheet.shape == (2 * 300 + 8, 3 * 264 + 8, 3)
    folder, names = videos[0][0].source.path, videos[0][0].frames
    tile = sheet[8:264, 8:264]
    shares = []
    for name in names:
        frame = np.asarray(Image.open(folder / f"{name}.jpg").resize((256, 256)))
        shares.append((np.abs(tile.astype(int) - frame) > 40).any(axis=-1).mean())
    assert 0 < min(shares) < 0.2  # one of the frames with something drawn on it
    assert (sheet[264:308, 8:264] < 128).any()  # a caption
