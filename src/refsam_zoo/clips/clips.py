"""From referrals to clips and batches: the one place where videos are cut, augmented and collated."""

from __future__ import annotations

import bisect
import itertools
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch.utils.data import Dataset

from refsam_zoo.clips.augmentation import Augmentation
from refsam_zoo.clips.clip_sampling import ClipSampling
from refsam_zoo.clips.reading import cut_clip
from refsam_zoo.clips.samplers import Draw, Unit, Window
from refsam_zoo.errors import InputError
from refsam_zoo.types import Clip, ClipBatch, Referral
from refsam_zoo.video.masks import read_objects
from refsam_zoo.video.readers import VideoOpener


@dataclass
class Sample:
    """What a worker hands over: a clip, or what was wrong with the input; problems of skipped items come along."""

    clip: Clip | None
    problems: tuple[str, ...] = ()


class Clips(Dataset[Sample]):
    """What loaders read from; one process keeps one video open."""

    @abstractmethod
    def close(self) -> None:
        """Closes the video that is open in this process."""


class TrainingClips(Clips):
    """Random clips with ground truth.

    Args:
        videos: Referrals grouped by video, all with masks.
        opener: Opens the videos.
        unit: What an item is: a video (sentences and anchor frame drawn), an expression (anchor frame drawn) or an
            (expression, frame) pair, the official count.
        frames: Frames per clip in each epoch; the last number holds for the epochs that follow.
        expressions: Sentences per clip, fewer where the video has fewer.
        sampling: Picks the frames.
        augmentation: Changes the clip; None for none.
        seed: Decides every draw together with epoch and position.
        attempts: Items tried in turn when the input is bad: 1 gives up at once.
        all_objects: Whether clips also have the masks of every annotated object.
    """

    def __init__(
        self,
        videos: Sequence[tuple[Referral, ...]],
        opener: VideoOpener,
        unit: Unit,
        frames: Sequence[int],
        expressions: int,
        sampling: ClipSampling,
        augmentation: Augmentation | None,
        seed: int,
        attempts: int = 1,
        all_objects: bool = False,
    ) -> None:
        self.videos = videos
        self.opener = opener
        self.items = _items(videos, unit)
        self.frames = frames
        self.expressions = expressions
        self.sampling = sampling
        self.augmentation = augmentation
        self.seed = seed
        self.attempts = attempts
        self.all_objects = all_objects

    def __len__(self) -> int:
        return len(self.items)

    def close(self) -> None:
        """See `Clips`."""
        self.opener.close()

    def __getitem__(self, draw: Draw) -> Sample:
        problems: list[str] = []
        for offset in range(self.attempts):
            rng = np.random.default_rng((self.seed, draw.epoch, draw.position, offset))
            try:
                return Sample(self._clip((draw.item + offset) % len(self.items), draw.epoch, rng), tuple(problems))
            except InputError as error:
                problems.append(str(error))
        return Sample(None, tuple(problems))

    def _clip(self, item: int, epoch: int, rng: np.random.Generator) -> Clip:
        video, expression, anchor = self.items[item].tolist()
        referrals = self.videos[video]
        chosen = rng.permutation(len(referrals)).tolist()
        if expression >= 0:
            chosen = [expression, *(other for other in chosen if other != expression)]
        length = len(referrals[0].frames)
        anchor = anchor if anchor >= 0 else int(rng.integers(length))
        positions = self.sampling.sample(anchor, length, self.frames[min(epoch, len(self.frames) - 1)], rng)
        reader = self.opener.open(referrals[0].source, referrals[0].frames)
        clip = cut_clip(reader, [referrals[index] for index in chosen[: self.expressions]], positions)
        if self.all_objects:
            return _with_objects(clip, read_objects(referrals, positions, reader.size), self.augmentation, rng)
        return self.augmentation(clip, rng) if self.augmentation else clip


class MixedClips(Clips):
    """Clips of several data sets; the items of the second follow those of the first, and so on."""

    def __init__(self, parts: Sequence[TrainingClips]) -> None:
        self.parts = parts
        self._first = list(itertools.accumulate(map(len, parts), initial=0))

    def __len__(self) -> int:
        return self._first[-1]

    def close(self) -> None:
        """See `Clips`."""
        for part in self.parts:
            part.close()

    def __getitem__(self, draw: Draw) -> Sample:
        part = bisect.bisect_right(self._first, draw.item) - 1
        return self.parts[part][draw._replace(item=draw.item - self._first[part])]


class EvaluationWindows(Clips):
    """Whole videos as consecutive windows, each with every expression of its video.

    Args:
        videos: Referrals grouped by video.
        opener: Opens the videos.
        window: Most frames in a window.
    """

    def __init__(self, videos: Sequence[tuple[Referral, ...]], opener: VideoOpener, window: int) -> None:
        self.videos = videos
        self.opener = opener
        self.window = window
        self.windows_per_video = [-(-len(video[0].frames) // window) for video in videos]
        self._first = list(itertools.accumulate(self.windows_per_video, initial=0))

    def __len__(self) -> int:
        return self._first[-1]

    def close(self) -> None:
        """See `Clips`."""
        self.opener.close()

    def __getitem__(self, window: Window) -> Sample:
        video = bisect.bisect_right(self._first, window.item) - 1
        referrals = self.videos[video]
        start = (window.item - self._first[video]) * self.window
        stop = min(start + self.window, len(referrals[0].frames))
        try:
            clip = cut_clip(self.opener.open(referrals[0].source, referrals[0].frames), referrals, range(start, stop))
        except InputError as error:
            return Sample(None, (str(error),))
        return Sample(replace(clip, first=start == 0, repeated=window.repeated))


def collate(clips: Sequence[Clip]) -> ClipBatch:
    """Makes a batch of clips with the same number of frames, padded at the bottom and right to the largest.

    Raises:
        InputError: They have different numbers of frames.
    """
    lengths = sorted({len(clip.frames) for clip in clips})
    if len(lengths) > 1:
        raise InputError(f"clips of {lengths[0]} and of {lengths[-1]} frames fit in no batch; set batch_size to 1")
    height = max(clip.frames.shape[1] for clip in clips)
    width = max(clip.frames.shape[2] for clip in clips)
    frames = _join([clip.frames[None] for clip in clips], (height, width, 3))
    masks = [clip.masks for clip in clips if clip.masks is not None]
    objects = [clip.objects for clip in clips if clip.objects is not None]
    return ClipBatch(
        frames=frames.permute(0, 1, 4, 2, 3),  # copying took 4 ms where decoding the pictures took 14
        sizes=[(clip.frames.shape[1], clip.frames.shape[2]) for clip in clips],
        expressions=[sentence for clip in clips for sentence in clip.expressions],
        clip_index=torch.repeat_interleave(torch.tensor([len(clip.expressions) for clip in clips], device="cpu")),
        masks=_join(masks, (height, width)) if len(masks) == len(clips) else None,
        clips=[replace(clip, frames=clip.frames[:0, :0, :0], masks=None, objects=None) for clip in clips],
        objects=[torch.from_numpy(part) for part in objects] if len(objects) == len(clips) else None,
    )


def _with_objects(clip: Clip, objects: np.ndarray, augmentation: Augmentation | None, rng: np.random.Generator) -> Clip:
    """Adds objects to a clip; augmentation changes them as it does the masks, among which they are meanwhile."""
    assert clip.masks is not None, "a training clip has masks"
    count = len(clip.masks)
    clip = replace(clip, masks=np.concatenate([clip.masks, objects]))
    clip = augmentation(clip, rng) if augmentation else clip
    assert clip.masks is not None
    return replace(clip, masks=clip.masks[:count], objects=clip.masks[count:])


def _join(parts: Sequence[np.ndarray], size: tuple[int, ...]) -> torch.Tensor:
    """Joins arrays `[n, T, H, W, ...]` along their first axis, padded to a common size; a single one is not copied."""
    if all(part.shape[2:] == size for part in parts):
        return torch.from_numpy(parts[0] if len(parts) == 1 else np.concatenate(parts))
    joined = np.zeros((sum(map(len, parts)), parts[0].shape[1], *size), parts[0].dtype)
    row = 0
    for part in parts:
        joined[row : row + len(part), :, : part.shape[2], : part.shape[3]] = part
        row += len(part)
    return torch.from_numpy(joined)


def _items(videos: Sequence[tuple[Referral, ...]], unit: Unit) -> np.ndarray:
    """Rows of (video, expression, frame), -1 where it is drawn."""
    if unit == "video":
        rows = [(video, -1, -1) for video in range(len(videos))]
    elif unit == "expression":
        rows = [(video, number, -1) for video, said in enumerate(videos) for number in range(len(said))]
    else:
        rows = [
            (video, number, frame)
            for video, said in enumerate(videos)
            for number in range(len(said))
            for frame in range(len(said[0].frames))
        ]
    return np.array(rows, dtype=np.int32)
