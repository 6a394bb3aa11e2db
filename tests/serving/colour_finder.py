"""A system whose masks are known: the pixels of the colour that a sentence names."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from refsam_zoo.systems.base import Found, VideoSegmenter
from refsam_zoo.systems.corrections import Correction

CHANNELS = ("red", "green", "blue")
NOTHING = -1
LEAD = 60
"""How much brighter the channel is than the others."""


class ColourFinder(VideoSegmenter[list[int]]):
    """Finds red, green or blue; a point or box changes to the colour that is there, a point beside it to none.

    Attributes:
        may_go_on: Frames are computed while it is set.
        frames: How many were computed.
    """

    takes_corrections = True

    def __init__(self) -> None:
        super().__init__(nn.Linear(1, 1))
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.frames = 0

    def start(self, expressions: Sequence[str]) -> list[int]:
        return [next(number for number, name in enumerate(CHANNELS) if name in text) for text in expressions]

    def segment(self, images: Tensor, track: list[int]) -> Iterator[Found]:
        for image in images.int():
            self.may_go_on.wait(20)
            self.frames += 1
            yield Found(self.masks(image, track), torch.linspace(1, 0.5, len(track)))

    def correct(self, image: Tensor, track: list[int], row: int, correction: Correction) -> Found:
        place = correction.points[correction.labels][:1] if correction.box is None else correction.box.reshape(2, 2)
        x, y = (int(value) for value in place.mean(0)) if len(place) else (0, 0)
        track[row] = int(image[0, :, y, x].int().argmax()) if len(place) else NOTHING
        return Found(self.masks(image[0].int(), track[row : row + 1]), torch.tensor([0.75]))

    @staticmethod
    def masks(image: Tensor, track: list[int]) -> Tensor:
        masks = [image[channel] - image[[c for c in range(3) if c != channel]].amax(0) > LEAD for channel in track]
        return torch.stack(masks) & (torch.tensor(track) != NOTHING)[:, None, None]
