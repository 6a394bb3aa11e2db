"""RefShapes in the format of JHMDB-Sentences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from refsam_zoo.clips.reading import read_clip
from refsam_zoo.types import Referral

SAMPLED = (4, 0, 2)
"""Sampled frames, counted from 0, in no order as in the published list."""


def first_of_each_video(shapes: Sequence[Referral]) -> list[Referral]:
    videos: dict[str, Referral] = {}
    for referral in shapes:
        if referral.object_ids:
            videos.setdefault(referral.video_id, referral)
    return list(videos.values())


def write_jhmdb_sentences(root: Path, shapes: Sequence[Referral]) -> None:
    samples = []
    for referral in first_of_each_video(shapes):
        clip = read_clip([referral], range(6))
        assert clip.masks is not None
        pictures = root / "Rename_Images" / "jump" / referral.video_id
        masks = root / "puppet_mask" / "jump" / referral.video_id
        pictures.mkdir(parents=True)
        masks.mkdir(parents=True)
        for number, frame in enumerate(clip.frames, 1):
            Image.fromarray(frame).save(pictures / f"{number:05d}.png")
        savemat(masks / "puppet_mask.mat", {"part_mask": np.moveaxis(clip.masks[0], 0, -1).astype(np.uint8) * 3})
        start = "./jhmdb_sentences"
        samples += [
            [
                referral.video_id,
                f"{start}/Rename_Images/jump/{referral.video_id}/{position + 1:05d}.png",
                f"{start}/puppet_mask/jump/{referral.video_id}/puppet_mask.mat",
                6,
                referral.expression,
            ]
            for position in SAMPLED
        ]
    (root / "jhmdb_sentences_samples_metadata.json").write_text(json.dumps(samples))
