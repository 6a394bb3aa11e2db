from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo.clips.reading import group_by_video
from refsam_zoo.data_modules.ref_shapes import RefShapes
from refsam_zoo.preparation.contact_sheets import RED, Fault, draw_contact_sheet
from refsam_zoo.types import Referral, VideoSource


def test_a_tile_shows_frame_target_and_sentence(ref_shapes: Path) -> None:
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


def test_tiles_of_all_shapes_are_packed_without_gaps(tmp_path: Path) -> None:
    videos = []
    for number, (height, width) in enumerate([(48, 64), (64, 48), (30, 90), (64, 64), (48, 64), (90, 17)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        for frame in "01":
            Image.new("RGB", (width, height), (200, 100, 0)).save(folder / f"{frame}.png")
        said = ["one", "two"][: 1 + number % 2]
        videos.append([Referral(str(number), text, text, (), ("0", "1"), VideoSource(folder)) for text in said])
    sheet = np.asarray(Image.open(io.BytesIO(draw_contact_sheet(videos, columns=3))))
    assert sheet.shape[1] == 3 * 264 + 8
    pictures = (np.abs(sheet.astype(int) - (200, 100, 0)) < 12).all(axis=-1)
    columns = pictures.reshape(len(sheet), -1)[:, 8:].reshape(len(sheet), 3, 264)[:, :, 0]
    for column in columns.T:
        starts = np.flatnonzero(np.diff(np.concatenate([[0], column]).astype(int)) == 1)
        ends = np.flatnonzero(np.diff(np.concatenate([column, [0]]).astype(int)) == -1)
        assert (starts[1:] - ends[:-1] <= 46).all(), "between two pictures is a caption and nothing else"


@pytest.mark.parametrize("in_mask", [True, False])
def test_a_fault_is_crossed_out_in_red(ref_shapes: Path, in_mask: bool) -> None:
    (video, *_) = group_by_video(RefShapes.splits(ref_shapes)["test"]())
    faults = [[None, *([Fault(2, in_mask)] * (len(video) - 1))]]
    sheet = np.asarray(Image.open(io.BytesIO(draw_contact_sheet([video], columns=2, faults=faults))))
    red = (sheet == RED).all(axis=-1)
    assert not red[:, :264].any()
    assert red[:, 264:].sum() > 1000
