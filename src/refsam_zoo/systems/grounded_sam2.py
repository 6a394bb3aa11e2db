"""A detector finds the box that a sentence means, SAM 2 follows what is in it: no training needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision.ops import box_iou, masks_to_boxes

from refsam_zoo.number_types import PositiveInt, Probability
from refsam_zoo.registry import ModelCard
from refsam_zoo.systems.base import SYSTEMS, Found, VideoSegmenter, joined
from refsam_zoo.systems.box_detectors import FoundBoxes, open_detector
from refsam_zoo.systems.corrections import Correction, no_points
from refsam_zoo.systems.sam2_session import BoxTracker, FollowedObject, TrackedFrame
from refsam_zoo.weights.hub_folders import HubFolder

DETECTOR = HubFolder(
    "IDEA-Research/grounding-dino-tiny",
    "a2bb814dd30d776dcf7e30523b00659f4f141c71",
    (
        "config.json", "model.safetensors", "preprocessor_config.json",
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt",
    ),
    "0.7 GB",
)  # fmt: skip
TRACKER = HubFolder(
    "facebook/sam2.1-hiera-tiny",
    "de431c4043854a71d8101e17995dfe596bf101a5",
    (
        "config.json", "model.safetensors",
        "preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json",
    ),
    "0.2 GB",
)  # fmt: skip
SAME = 0.5
"""Intersection over union above which two boxes show the same object."""


@dataclass
class Target:
    """A sentence and what is followed for it.

    Attributes:
        sentence: As the detector encodes it; None for a thing without a sentence.
        objects: Those in sight, and those lost from sight while there is room.
        best: Highest score of all boxes at the last look; above all of them where somebody showed the target.
    """

    sentence: Any
    objects: list[FollowedObject] = field(default_factory=list)
    best: Tensor = field(default_factory=lambda: torch.zeros(()))


@dataclass
class GroundedTrack:
    """A video under way.

    Attributes:
        targets: One for each sentence.
        frames: Frames seen.
    """

    targets: list[Target]
    frames: int = 0


@SYSTEMS.register(
    ModelCard(
        "Grounding DINO and SAM 2.1",
        f"{DETECTOR.repository} and {TRACKER.repository}, local folders",
        "Apache-2.0",
        "2401.14159",
        limits="a sentence is looked up in single frames: what moves how counts for nothing",
        parameters=211_213_124,
    )
)
class grounded_sam2(VideoSegmenter[GroundedTrack]):
    """A detector finds boxes for a sentence in some frames, SAM 2 or EdgeTAM follows them through all.

    Every frame is encoded once by the tracker, and every frame of the schedule once by the detector, for all sentences.
    A frame's masks are there when the frame is: nothing waits for later ones.

    Args:
        detector: A folder in the hub's layout: Grounding DINO, MM Grounding DINO or OWLv2.
        tracker: A folder in the hub's layout: SAM 2 or 2.1 for video, or EdgeTAM.
        download: Take what is not given from the hub: Grounding DINO tiny and SAM 2.1 tiny, at pinned revisions.
        box_threshold: Score above which a box counts; None takes what the package does: 0.25, and for OWLv2 0.1.
        schedule: Where the detector looks. "first": in the first frame only. "every": in every so many frames, as long
            as fewer than `objects` are in sight. "best": in each of the first `every` frames, and whenever one has a
            better box than all before it, its boxes are followed from there on, so that after them the frame of the
            best score counts; then as "every".
        every: Frames from look to look.
        objects: Most objects that a sentence may mean; its mask is their union.

    Raises:
        InputError: No weights, or a folder of something else, incomplete or damaged.
    """

    takes_corrections = True
    score_meaning = "the detector's score of the box times the tracker's probability that its object is in the frame"

    def __init__(
        self,
        detector: str | Path | None = None,
        tracker: str | Path | None = None,
        download: bool = False,
        box_threshold: Probability | None = None,
        schedule: Literal["first", "every", "best"] = "every",
        every: PositiveInt = 10,
        objects: PositiveInt = 1,
    ) -> None:
        folders = DETECTOR.locate(detector, download, "detector"), TRACKER.locate(tracker, download, "tracker")
        self.detector, self.tracker = open_detector(folders[0]), BoxTracker.read(folders[1])
        super().__init__(nn.ModuleDict({"detector": self.detector.model, "tracker": self.tracker.model}).eval())
        self.box_threshold = self.detector.threshold if box_threshold is None else box_threshold
        self.schedule = schedule
        self.every = every
        self.objects = objects

    @property
    def compiled_parts(self) -> Sequence[nn.Module]:
        """The two image encoders."""
        return [self.detector.image_encoder, self.tracker.model.vision_encoder]

    def start(self, expressions: Sequence[str]) -> GroundedTrack:
        """Encodes the sentences for the detector; see `VideoSegmenter.start`.

        Raises:
            InputError: The detector knows no word of a sentence.
        """
        return GroundedTrack([Target(self.detector.encode(expression)) for expression in expressions])

    def start_object(self) -> GroundedTrack:
        """See `VideoSegmenter.start_object`."""
        return GroundedTrack([Target(None)])

    def segment(self, images: Tensor, track: GroundedTrack) -> Iterator[Found]:
        """Follows, then looks where it is time to; see `VideoSegmenter.segment`."""
        return self.segment_together(images, [track])

    def segment_together(self, images: Tensor, tracks: Sequence[GroundedTrack]) -> Iterator[Found]:
        """Encodes each frame once for all tracks; see `VideoSegmenter.segment_together`."""
        for image in images.to(self.device):
            frame = TrackedFrame(self.tracker, image)
            yield joined([self._next(frame, track) for track in tracks])

    def _next(self, frame: TrackedFrame, track: GroundedTrack) -> Found:
        for target in track.targets:
            for followed in target.objects:
                self.tracker.follow(frame, followed)
        wanted = [target for target in track.targets if self._looks(target, track.frames)]
        if wanted:
            found = self.detector.find(frame.image, [target.sentence for target in wanted])
            for target, boxes in zip(wanted, found, strict=True):
                self._take(target, boxes, frame, self._tries(track.frames))
        track.frames += 1
        return _joined(track.targets, frame)

    def correct(self, image: Tensor, track: GroundedTrack, row: int, correction: Correction) -> Found:
        """Corrects the object that is shown, or begins with it; see `VideoSegmenter.correct`.

        That is the one whose mask has the first point on it, or the point beside it, or meets box or mask most; where a
        sentence may mean one object, it is that one.
        """
        frame, target = TrackedFrame(self.tracker, image[0].to(self.device)), track.targets[row]
        meant = self._meant(target, correction)
        if meant is None:
            latest = self.tracker.begin(frame, correction, torch.ones((), device=self.device))
            target.objects = [latest, *target.objects][: self.objects]
        else:
            self.tracker.correct(frame, meant, correction)
            meant.score = torch.ones_like(meant.score)
        target.best = torch.full_like(target.best, torch.inf)
        return _joined([target], frame)

    def _meant(self, target: Target, correction: Correction) -> FollowedObject | None:
        """Which of the followed objects somebody shows; None for one that is not followed yet."""
        if len(target.objects) == self.objects == 1:
            return target.objects[0]
        shared = [_shared(correction, followed.mask) for followed in target.objects]
        if any(shared):
            return target.objects[shared.index(max(shared))]
        return target.objects[-1] if len(target.objects) == self.objects else None

    def _tries(self, index: int) -> bool:
        """Whether the best frame is still sought in the frame of this index."""
        return self.schedule == "best" and index < self.every

    def _looks(self, target: Target, index: int) -> bool:
        """Whether the detector looks for a target in the frame of this index."""
        if target.sentence is None:
            return False
        if index == 0 or self._tries(index):
            return True
        scheduled = self.schedule != "first" and index % self.every == 0
        return scheduled and sum(followed.in_sight for followed in target.objects) < self.objects

    def _take(self, target: Target, found: FoundBoxes, frame: TrackedFrame, tries: bool) -> None:
        """Follows the best boxes of what is not in sight; while frames are tried, better ones and nothing else."""
        if tries and found.scores[0] <= target.best:
            return
        target.best = found.scores[0]
        seen = [followed for followed in target.objects if followed.in_sight and not tries]
        lost = [followed for followed in target.objects if not followed.in_sight and not tries]
        taken = [masks_to_boxes(followed.mask[None]).float() for followed in seen]
        for box, score in zip(found.boxes.split(1), found.scores, strict=True):
            if score <= self.box_threshold or len(seen) == self.objects:
                break
            if all(box_iou(box, other) <= SAME for other in taken):
                seen.append(self.tracker.begin(frame, Correction(*no_points(), box=box[0].cpu().numpy()), score))
                taken.append(box)
        target.objects = [*seen, *lost][: self.objects]


def _shared(correction: Correction, mask: Tensor) -> float:
    """How many pixels of a mask are in a box or mask that somebody shows, or how many points are on it."""
    if correction.mask is not None:
        return float((mask & torch.from_numpy(correction.mask).to(mask.device)).sum())
    if correction.box is not None:
        left, upper, right, lower = correction.box.round().astype(int).tolist()
        return float(mask[upper:lower, left:right].sum())
    height, width = mask.shape
    return float(
        sum(bool(mask[min(int(y), height - 1), min(int(x), width - 1)]) for x, y in correction.points.tolist())
    )


def _joined(targets: Sequence[Target], frame: TrackedFrame) -> Found:
    """Makes one mask of the objects of each sentence; where there are none, its score is the best box's."""
    nothing = torch.zeros_like(frame.image[0], dtype=torch.bool)
    masks = [torch.stack([nothing, *(followed.mask for followed in target.objects)]).any(0) for target in targets]
    scores = [
        torch.stack([followed.score * followed.presence for followed in target.objects] or [target.best]).max()
        for target in targets
    ]
    return Found(torch.stack(masks), torch.stack(scores))
