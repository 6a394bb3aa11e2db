"""The text-blind control: how well does a model do that cannot have listened?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from refsam_zoo.clips.reading import group_by_video
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral


def mismatch_expressions(referrals: Sequence[Referral], seed: int) -> list[Referral]:
    """Exchanges the sentences between videos and leaves the ground truth where it was.

    A model that does not listen scores as well on these as on the true sentences.

    Args:
        referrals: Referrals of a data set.
        seed: Decides who gets whose sentence.

    Returns:
        The same referrals in the order of their videos, each with the sentence of a referral to another video; every
        sentence is used once.

    Raises:
        InputError: More than half of the referrals are about one video, so that no such exchange exists.
    """
    videos = group_by_video(referrals)
    rng = np.random.default_rng(seed)
    shuffled = [
        videos[video][number]
        for video in rng.permutation(len(videos)).tolist()
        for number in rng.permutation(len(videos[video])).tolist()
    ]
    # Videos are contiguous here, so a shift by the longest of them leaves every sentence in another video.
    shift = max(len(video) for video in videos)
    if 2 * shift > len(shuffled):
        raise InputError(f"no text-blind control: {shift} of {len(shuffled)} expressions are about one video")
    sentence = {
        id(referral): shuffled[(place + shift) % len(shuffled)].expression for place, referral in enumerate(shuffled)
    }
    return [replace(referral, expression=sentence[id(referral)]) for video in videos for referral in video]
