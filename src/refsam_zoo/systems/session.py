"""A video under way about which more is asked while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from refsam_zoo.systems.base import FrameMasks, VideoSegmenter, only_frame
from refsam_zoo.systems.inputs import checked_sentences, rgb_batches


class VideoSession:
    """Segments a video frame by frame; sentences may be added between frames.

    Args:
        system: What segments it.
        expressions: What to look for from the first frame on: N sentences, or a single one.

    Attributes:
        expressions: All sentences so far, in the order of the masks.

    Raises:
        InputError: There is no sentence, or one is empty.
    """

    def __init__(self, system: VideoSegmenter[Any], expressions: str | Sequence[str]) -> None:
        self.system = system
        self.expressions: list[str] = []
        self._tracks: list[Any] = []
        self.add(expressions)

    @torch.inference_mode()
    def add(self, expressions: str | Sequence[str]) -> None:
        """Looks for more from the next batch of frames on: their masks follow those of the sentences before.

        Raises:
            InputError: There is no sentence, or one is empty.
        """
        sentences = checked_sentences(expressions)
        self._tracks.append(self.system.start(sentences))
        self.expressions += sentences

    def stream(self, frames: Iterable[Any]) -> Iterator[FrameMasks]:
        """Segments the next frames; see `VideoSegmenter.stream`.

        Raises:
            InputError: A frame is of another kind, shape or range.
        """
        for batch in rgb_batches(frames):
            yield from self.system.follow([batch], *self._tracks)

    def __call__(self, frame: Any) -> FrameMasks:
        """Segments the next frame.

        Raises:
            InputError: It is of another kind, shape or range, or not one frame.
        """
        return only_frame(self.stream([frame]))
