"""Every knob of RefShapes, in one frozen data class: equal options make equal data sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from refsam_zoo.errors import InputError
from refsam_zoo.number_types import ImageSize, NonNegativeFloat, NonNegativeInt, PositiveInt, Probability, Seed

SPLITS = ("train", "val", "test", "motion", "relation", "occlusion", "unseen")
"""All splits; the place in this tuple is part of every video's seed, so new splits go to the end."""


@dataclass(frozen=True)
class SynthesisOptions:
    """What to generate. Every video depends on these, its split and its number alone.

    Raises:
        InputError: A value no data set can be made of.
    """

    seed: Seed = 0
    """Seed of the whole data set, 0 or more."""
    train_videos: NonNegativeInt = 1000
    """Videos in the split train."""
    train_expressions: PositiveInt = 1
    """How many times the usual four to eight expressions a video in the split train has, as far as there are."""
    val_videos: NonNegativeInt = 60
    """Videos in the split val."""
    test_videos: NonNegativeInt = 120
    """Videos in the split test: all kinds of expressions, most of them attributes."""
    motion_videos: NonNegativeInt = 60
    """Videos in the hard test motion: only how it moves tells the target from its twin."""
    relation_videos: NonNegativeInt = 60
    """Videos in the hard test relation: only where it stands tells the target from its twin."""
    occlusion_videos: NonNegativeInt = 60
    """Videos in the hard test occlusion: something passes in front of the target."""
    unseen_videos: NonNegativeInt = 60
    """Videos in the hard test unseen: the target's pair of colour and shape occurs in no other split."""
    image_size: ImageSize = 256
    """Height and width of a frame in pixels, even, at least 64."""
    frames: PositiveInt = 12
    """Frames of a video, at least 6."""
    objects_min: PositiveInt = 2
    """Fewest objects in a scene; the hard tests need up to four and take them."""
    objects_max: PositiveInt = 6
    """Most objects in a scene, at most 8."""
    pan_probability: Probability = 0.25
    """Share of the videos in which the camera pans, 0 to 1."""
    photographs: str | None = None
    """Folder of pictures that backgrounds are cut from, made dull so that every colour word stays clear; null draws
    them. Equal data sets need equal pictures."""
    noise: NonNegativeFloat = 5.0
    """Largest standard deviation of the sensor noise in grey levels; each video draws its own."""
    jpeg_quality_min: PositiveInt = 80
    """Lowest JPEG quality; each video draws its own."""
    jpeg_quality_max: PositiveInt = 95
    """Highest JPEG quality, at most 100."""
    mp4: Literal["none", "tests", "all"] = "tests"
    """Which splits also get a video file of every video; "tests" is all but train and val."""
    fps: PositiveInt = 6
    """Frames per second of the video files."""

    def __post_init__(self) -> None:
        wrong = [name for name, (right, _) in self._rules().items() if not right]
        if wrong:
            name = wrong[0]
            raise InputError(f"{name}: {getattr(self, name)} is impossible; it must be {self._rules()[name][1]}")

    def _rules(self) -> dict[str, tuple[bool, str]]:
        counts = {f"{split}_videos": (self.videos(split) >= 0, "0 or more") for split in SPLITS}
        return counts | {
            "seed": (self.seed >= 0, "0 or more"),
            "train_expressions": (self.train_expressions >= 1, "at least 1"),
            "image_size": (self.image_size >= 64 and self.image_size % 2 == 0, "even and at least 64"),
            "frames": (self.frames >= 6, "at least 6"),
            "objects_min": (2 <= self.objects_min <= self.objects_max, "between 2 and objects_max"),
            "objects_max": (self.objects_max <= 8, "at most 8"),
            "pan_probability": (0 <= self.pan_probability <= 1, "between 0 and 1"),
            "noise": (0 <= self.noise <= 60, "between 0 and 60"),
            "jpeg_quality_min": (1 <= self.jpeg_quality_min <= self.jpeg_quality_max, "from 1 to jpeg_quality_max"),
            "jpeg_quality_max": (self.jpeg_quality_max <= 100, "at most 100"),
            "mp4": (self.mp4 in ("none", "tests", "all"), "none, tests or all"),
            "fps": (1 <= self.fps <= 120, "between 1 and 120"),
        }

    def videos(self, split: str) -> int:
        """Gives the number of videos of a split."""
        return int(getattr(self, f"{split}_videos"))

    def writes_mp4(self, split: str) -> bool:
        """Says whether the videos of a split are also written as video files."""
        return self.mp4 == "all" or (self.mp4 == "tests" and split not in ("train", "val"))
