"""A system whose masks are known: the pixels of the colour that a sentence names."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from refsam_zoo.systems.base import Found, VideoSegmenter

CHANNELS = ("red", "green", "blue")
LEAD = 60
"""How much brighter the channel is than the others."""


class ColourFinder(VideoSegmenter[list[int]]):
    """Finds red, green or blue.

    Attributes:
        may_go_on: Frames are computed while it is set.
        frames: How many were computed.
    """

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
            masks = [image[channel] - image[[c for c in range(3) if c != channel]].amax(0) > LEAD for channel in track]
            yield Found(torch.stack(masks), torch.linspace(1, 0.5, len(track)))
