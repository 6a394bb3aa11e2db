"""A video under way about which more is asked, and shown, while it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.systems.base import FrameMasks, VideoSegmenter, in_inference_mode, only_frame
from refsam_zoo.systems.corrections import Correction
from refsam_zoo.systems.inputs import checked_sentences, in_windows, rgb_batches


class VideoSession:
    """Segments a video frame by frame; between frames, sentences may be added and masks corrected.

    Args:
        system: What segments it.
        expressions: What to look for from the first frame on: N sentences, or a single one.

    Attributes:
        expressions: All sentences so far and names of objects, in the order of the masks.
        tracks: What the system knows of the video so far.

    Raises:
        InputError: A sentence is empty.
    """

    def __init__(self, system: VideoSegmenter[Any], expressions: str | Sequence[str] = ()) -> None:
        self.system = system
        self.expressions: list[str] = []
        self.tracks: list[Any] = []
        self._places: list[tuple[int, int]] = []
        self._last: FrameMasks | None = None
        self._shown: dict[int, Correction] = {}
        if len(expressions):
            self.add(expressions)

    @in_inference_mode
    def add(self, expressions: str | Sequence[str]) -> None:
        """Looks for more from the next batch of frames on: their masks follow those of the sentences before.

        Raises:
            InputError: There is no sentence, or one is empty.
        """
        sentences = checked_sentences(expressions)
        self._begin(sentences, self.system.start(sentences))

    def add_object(self, name: str) -> None:
        """Makes room for something without a sentence, which is nowhere until `correct` shows where it is.

        Raises:
            InputError: The system takes no corrections.
        """
        self._begin([name], self.system.start_object())

    def _begin(self, names: list[str], track: Any) -> None:
        self._places += [(len(self.tracks), row) for row in range(len(names))]
        self.tracks.append(track)
        self.expressions += names

    def stream(self, frames: Iterable[Any]) -> Iterator[FrameMasks]:
        """Segments the next frames; see `VideoSegmenter.stream`. What is corrected on the way counts at once.

        Raises:
            InputError: Nothing to look for was given, or a frame is of another kind, shape or range.
        """
        for batch in in_windows(rgb_batches(frames), self.system.window_length):
            if not self.tracks:
                raise InputError("there is nothing to look for; add a sentence or an object first")
            for found in self.system.follow([batch], *self.tracks):
                self._last, self._shown = found, {}
                yield found

    def __call__(self, frame: Any) -> FrameMasks:
        """Segments the next frame.

        Raises:
            InputError: It is of another kind, shape or range, or not one frame.
        """
        return only_frame(self.stream([frame]))

    @in_inference_mode
    def correct(
        self,
        target: int | str,
        points: Sequence[Sequence[float]] | np.ndarray = (),
        labels: Sequence[bool | int] | np.ndarray | None = None,
        box: Sequence[float] | np.ndarray | None = None,
        mask: Any = None,
    ) -> FrameMasks:
        """Shows where a target is in the frame last segmented; later frames follow that.

        Points add up as long as the frame is the last one. Sentences and objects that were added after it begin with
        the next frame.

        Args:
            target: Its sentence or name, or its number in `expressions`, from 0.
            points: x and y of points in pixels of the frame.
            labels: Whether each is on the target, 1 or 0; None means all are.
            box: Left, upper, right and lower edge of the target.
            mask: The target's mask, `[H, W]`, which is taken as it is.

        Returns:
            The frame, with the mask corrected.

        Raises:
            InputError: No frame was segmented yet, there is no such target, the system takes no corrections, or what is
                shown is wrong; see `Correction.of`.
        """
        if self._last is None:
            raise InputError("no frame was segmented yet that could be corrected")
        index, last = self._index(target), self._last
        shown = Correction.of(last.masks.shape[-2:], points, labels, box, mask)
        if index in self._shown:
            shown = self._shown[index].followed_by(shown)
        track, row = self._places[index]
        import torch

        image = torch.from_numpy(np.require(last.frame, requirements="W")).permute(2, 0, 1)[None]
        found = self.system.correct(image, self.tracks[track], row, shown)
        self._shown[index] = shown
        corrected = self.system.shown(last.frame, found)
        masks, scores = last.masks.copy(), last.scores.copy()
        masks[index], scores[index] = corrected.masks[0], corrected.scores[0]
        self._last = FrameMasks(last.frame, masks, scores)
        return self._last

    def _index(self, target: int | str) -> int:
        assert self._last is not None
        if isinstance(target, str):
            if target not in self.expressions:
                known = {name: None for name in self.expressions}
                raise InputError(f"there is no target '{target}'{nearest_name(target, known)}")
            target = self.expressions.index(target)
        if not 0 <= target < len(self.expressions):
            raise InputError(f"there is no target {target}; they count from 0 to {len(self.expressions) - 1}")
        if target >= len(self._last.masks):
            raise InputError(f"'{self.expressions[target]}' was added after the last frame; segment one first")
        return target
