"""RefShapes in the format of A2D-Sentences."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from refsam_zoo.types import Referral
from refsam_zoo.video.masks import PaletteMasks

ANNOTATED = (0, 2, 5)
"""Frames with masks, counted from 0."""


def write_h5(path: Path, ids: np.ndarray) -> None:
    """One file as published: masks column by column, a lone instance without its axis."""
    instances = [number for number in np.unique(ids) if number]
    masks = np.stack([(ids == number).T for number in instances]).astype(np.uint8)
    with h5py.File(path, "w") as file:
        file["instance"] = np.array(instances, np.float64)[None]
        file["reMask"] = masks[0] if len(instances) == 1 else masks
        file["reBBox"] = np.zeros((4, len(instances)))


def write_a2d_sentences(root: Path, shapes: Sequence[Referral]) -> None:
    """The sentences about single objects, the last video for testing."""
    texts = root / "text_annotations"
    (root / "Release" / "clips320H").mkdir(parents=True)
    texts.mkdir()
    videos = list(dict.fromkeys(referral.video_id for referral in shapes))
    with (root / "Release" / "videoset.csv").open("w", newline="") as file:
        for video in videos:
            csv.writer(file).writerow([video, 13, "0:00", "0:01", 64, 64, 6, 3, int(video == videos[-1])])
    with (texts / "a2d_annotation.txt").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["video_id", "instance_id", "query"])
        table.writerow([videos[0], "1 (copy)", "a row that everybody drops"])
        table.writerow(["missed", "1", "a video that everybody drops"])
        for referral in shapes:
            if len(referral.object_ids) == 1:
                table.writerow([referral.video_id, referral.object_ids[0], referral.expression])
    (texts / "a2d_missed_videos.txt").write_text("missed\n")
    for referral in {referral.video_id: referral for referral in shapes}.values():
        split = referral.source.path.parents[1]
        video = split / "Videos" / f"{referral.video_id}.mp4"
        (root / "Release" / "clips320H" / video.name).write_bytes(video.read_bytes())
        assert isinstance(referral.masks, PaletteMasks)
        folder = texts / "a2d_annotation_with_instances" / referral.video_id
        folder.mkdir(parents=True)
        for position, ids in zip(ANNOTATED, referral.masks.read_ids(ANNOTATED, (64, 64)), strict=True):
            write_h5(folder / f"{position + 1:05d}.h5", ids)
