"""From referrals to the frames and masks of a clip, without PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from refsam_zoo.types import Clip, Referral
from refsam_zoo.video.base import VideoReader
from refsam_zoo.video.masks import read_masks
from refsam_zoo.video.readers import open_video


def group_by_video(referrals: Iterable[Referral]) -> list[tuple[Referral, ...]]:
    """Puts the referrals to the same frames of the same video together, in the order of their first one."""
    videos: dict[tuple[object, ...], list[Referral]] = {}
    for referral in referrals:
        videos.setdefault((referral.video_id, referral.source, referral.frames), []).append(referral)
    return [tuple(video) for video in videos.values()]


def read_clip(referrals: Sequence[Referral], positions: Sequence[int]) -> Clip:
    """Reads some frames of a video with the masks of some referrals to it.

    Raises:
        InputError: A frame or mask is missing or damaged.
    """
    with open_video(referrals[0].source, referrals[0].frames) as video:
        return cut_clip(video, referrals, positions)


def cut_clip(video: VideoReader, referrals: Sequence[Referral], positions: Sequence[int]) -> Clip:
    """As `read_clip`, from a video that is open."""
    frames, size, names = video.read(positions), video.size, referrals[0].frames
    masks = [referral.masks for referral in referrals if referral.masks is not None]
    return Clip(
        frames=frames,
        frame_names=tuple(names[position] for position in positions),
        referrals=tuple(referrals),
        expressions=tuple(referral.expression for referral in referrals),
        masks=read_masks(masks, positions, size) if len(masks) == len(referrals) else None,
    )
