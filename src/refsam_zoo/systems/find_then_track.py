"""An image system finds the frame that shows best what a sentence means, SAM 2 follows it: forwards and backwards."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from refsam_zoo.errors import InputError
from refsam_zoo.number_types import NonNegativeInt, PositiveInt, Probability
from refsam_zoo.registry import ModelCard
from refsam_zoo.systems.base import SYSTEMS, Found, SystemOrMaker, VideoSegmenter
from refsam_zoo.systems.corrections import Correction, no_points
from refsam_zoo.systems.grounded_sam2 import TRACKER
from refsam_zoo.systems.inputs import rgb_batches
from refsam_zoo.systems.sam2_session import BoxTracker, FollowedObject, TrackedFrame


@dataclass
class Target:
    """What is followed for a sentence.

    Attributes:
        followed: The object of the best frame so far; None before there is one.
        best: Its score in that frame; before there is one, the highest score of a frame where nothing was found; above
            all of them where somebody showed the target.
        earlier: What was followed backwards: index of the last frame or a later one -> mask bool `[H, W]` and score.
    """

    followed: FollowedObject | None = None
    best: Tensor = field(default_factory=lambda: torch.zeros(()))
    earlier: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)


@dataclass
class FoundAndTracked:
    """A video under way.

    Attributes:
        finder: What the image system knows of it; None for a thing without a sentence.
        targets: One for each sentence.
        seen: What the image system found when the video was watched: index of a frame -> masks and scores.
        frames: Frames seen.
    """

    finder: Any
    targets: list[Target]
    seen: dict[int, Found] = field(default_factory=dict)
    frames: int = 0


@SYSTEMS.register(
    ModelCard(
        "any image system and SAM 2.1",
        f"those of the image system, and {TRACKER.repository}, local folders",
        "that of the weights",
        "2503.03492",
        limits="a sentence is looked up in single frames: what moves how counts for nothing",
    )
)
class find_then_track(VideoSegmenter[FoundAndTracked]):
    """Finds by an image system in some frames, and follows what has the best score with SAM 2's memory.

    FindTrack's recipe without training. A video that can be read twice is watched first, and what has the best score of
    all is followed backwards as well, as far as `back` says. Otherwise each frame has its masks when it comes, and the
    best so far is followed from its frame on.

    Args:
        finder: A system for single pictures by name, with its options, such as `evf_sam`; or in Python a ready one.
        tracker: A folder in the hub's layout: SAM 2 or 2.1 for video, or EdgeTAM.
        download: Take a tracker that is not given from the hub: SAM 2.1 tiny, at a pinned revision.
        every: Frames from look to look.
        looks: How many frames the image system sees, at most.
        min_score: Score of the finder above which a mask counts.
        back: Frames that the best one is followed backwards, at most: so many frames are kept in memory while the video
            is watched, and so many masks of each sentence. With 0 it is not watched.

    Raises:
        InputError: No weights, or a folder of something else, incomplete or damaged.
    """

    takes_corrections = True
    score_meaning = "the finder's score of the best frame times the tracker's probability that the object is there"

    def __init__(
        self,
        finder: SystemOrMaker | None = None,
        tracker: str | Path | None = None,
        download: bool = False,
        every: PositiveInt = 10,
        looks: PositiveInt = 10,
        min_score: Probability = 0.0,
        back: NonNegativeInt = 100,
    ) -> None:
        if finder is None:
            raise InputError("no finder given: name a system for single pictures, such as evf_sam or clipseg")
        self.tracker = BoxTracker.read(TRACKER.locate(tracker, download, "tracker"), "find_then_track")
        self.finder = finder if isinstance(finder, VideoSegmenter) else finder()
        super().__init__(nn.ModuleDict({"finder": self.finder.model, "tracker": self.tracker.model}).eval())
        self.every, self.looks, self.min_score, self.back = every, looks, min_score, back

    @property
    def watches(self) -> bool:
        """See `VideoSegmenter.watches`."""
        return self.back > 0

    @property
    def compiled_parts(self) -> Sequence[nn.Module]:
        """The finder's, and the tracker's image encoder; see `VideoSegmenter.compiled_parts`."""
        return [*self.finder.compiled_parts, self.tracker.model.vision_encoder]

    def start(self, expressions: Sequence[str]) -> FoundAndTracked:
        """Encodes the sentences for the image system; see `VideoSegmenter.start`."""
        return FoundAndTracked(self.finder.start(expressions), [Target() for _ in expressions])

    def start_object(self) -> FoundAndTracked:
        """See `VideoSegmenter.start_object`."""
        return FoundAndTracked(None, [Target()])

    @torch.inference_mode()
    def watch(self, frames: Iterable[Any], track: FoundAndTracked) -> None:
        """Looks for the best frame of each sentence and follows it backwards; see `VideoSegmenter.watch`."""
        best = [torch.zeros(()) for _ in track.targets]
        recent: deque[Tensor] = deque(maxlen=self.back)
        index = 0
        for batch in rgb_batches(frames):
            for image in torch.from_numpy(np.require(batch, requirements="W")).permute(0, 3, 1, 2).to(self.device):
                if self._is_look(index):
                    track.seen[index] = found = self._found(image, track)
                    for number, (mask, score) in enumerate(zip(*found, strict=True)):
                        if mask.any() and score > best[number]:
                            best[number] = score
                            track.targets[number].earlier = self._backwards(image, mask, score, reversed(recent), index)
                if index >= self.every * (self.looks - 1):  # nothing better can come
                    return
                recent.append(image)
                index += 1

    def _backwards(
        self, image: Tensor, mask: Tensor, score: Tensor, recent: Iterable[Tensor], index: int
    ) -> dict[int, tuple[Tensor, Tensor]]:
        """Follows what is in the mask of a frame through those before it, the latest first."""
        followed = self._begin(TrackedFrame(self.tracker, image), mask, score)
        masks = {}
        for place, earlier in enumerate(recent, 1):
            self.tracker.follow(TrackedFrame(self.tracker, earlier), followed)
            masks[index - place] = followed.mask, followed.score * followed.presence
        return masks

    def _begin(self, frame: TrackedFrame, mask: Tensor, score: Tensor) -> FollowedObject:
        return self.tracker.begin(frame, Correction(*no_points(), mask=mask.cpu().numpy()), score)

    def segment(self, images: Tensor, track: FoundAndTracked) -> Iterator[Found]:
        """Follows, then looks where it is time to; see `VideoSegmenter.segment`."""
        for image in images.to(self.device):
            frame = TrackedFrame(self.tracker, image)
            for target in track.targets:
                if target.followed is not None:
                    self.tracker.follow(frame, target.followed)
            if track.finder is not None and self._is_look(track.frames):
                found = track.seen.pop(track.frames, None) or self._found(image, track)
                for target, mask, score in zip(track.targets, *found, strict=True):
                    self._take(target, mask, score, frame)
            masks, scores = zip(*(_shown(target, track.frames, frame) for target in track.targets), strict=True)
            track.frames += 1
            yield Found(torch.stack(masks), torch.stack(scores))

    def correct(self, image: Tensor, track: FoundAndTracked, row: int, correction: Correction) -> Found:
        """Follows what is shown from here on, whatever the finder says later; see `VideoSegmenter.correct`."""
        frame, target = TrackedFrame(self.tracker, image[0].to(self.device)), track.targets[row]
        certain = torch.ones((), device=self.device)
        earlier = target.earlier.get(track.frames - 1)
        if target.followed is None or earlier is not None:
            shown = correction if earlier is None else correction.within(earlier[0].cpu().numpy())
            target.followed = self.tracker.begin(frame, shown, certain)
        else:
            self.tracker.correct(frame, target.followed, correction)
            target.followed.score = certain
        target.best, target.earlier = torch.full_like(certain, torch.inf), {}
        return Found(target.followed.mask[None], target.followed.presence[None])

    def _is_look(self, index: int) -> bool:
        return index % self.every == 0 and index < self.every * self.looks

    def _found(self, image: Tensor, track: FoundAndTracked) -> Found:
        masks, scores = next(iter(self.finder.segment(image[None], track.finder)))
        scores = scores.float().to(self.device)
        return Found(masks.to(self.device) & (scores > self.min_score)[:, None, None], scores)

    def _take(self, target: Target, mask: Tensor, score: Tensor, frame: TrackedFrame) -> None:
        """Follows what was found, if it is better than all before."""
        if mask.any():
            if target.followed is None or score > target.best:
                target.best, target.followed = score, self._begin(frame, mask, score)
        elif target.followed is None:
            target.best = torch.maximum(target.best.to(score.device), score)


def _shown(target: Target, index: int, frame: TrackedFrame) -> tuple[Tensor, Tensor]:
    """Gives the mask and the score of a target in a frame; what was followed backwards counts more."""
    target.earlier.pop(index - 1, None)
    if index in target.earlier:
        return target.earlier[index]
    if target.followed is None:
        return torch.zeros_like(frame.image[0], dtype=torch.bool), target.best
    return target.followed.mask, target.followed.score * target.followed.presence
