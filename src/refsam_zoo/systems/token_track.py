"""A video under way for RefSAM: what is asked about it, what was seen of it, and what was shown in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.refsam import RefSAM, Segmentation
from refsam_zoo.model.trackers.base import Track, replaced
from refsam_zoo.model.word_fitting import Lesson, fit_words

NAMELESS = "the object"
"""With these words a thing without a sentence begins; they are fitted to what is shown of it."""

KEPT = 4
"""Corrected frames of a sentence that a later correction of it keeps true, itself among them."""


class Shown(NamedTuple):
    """What was shown of a sentence's target in a frame.

    Attributes:
        image: The frame, RGB, uint8 `[1, 3, H, W]`.
        earlier: What the tracker carried to it; None where nothing.
        wanted: See `Lesson`.
        weight: See `Lesson`.
    """

    image: Tensor
    earlier: Track | None
    wanted: Tensor
    weight: Tensor


@dataclass
class TokenTrack:
    """A video under way: what is asked about it and what was seen so far.

    Attributes:
        language: The N sentences, encoded; None for a thing without a sentence of which nothing was learned yet.
        token: What the tracker carries after the last frame; None before the first and without one.
        positions: The mask decoder's position terms, the same for all frames; None before the first.
        earlier: The token before the last frame, for a correction of that.
        logits: The last frame's, float `[N, 4h, 4w]`, for the same; None before the first.
        shown: Number of a sentence -> what was shown of its target, the latest last, at most `KEPT`.
    """

    language: Language | None
    token: Track | None = None
    positions: list[Tensor] | None = None
    earlier: Track | None = None
    logits: Tensor | None = None
    shown: dict[int, list[Shown]] = field(default_factory=dict)

    def learn(self, model: RefSAM, image: Tensor, row: int, lesson: Lesson, threshold: float) -> Segmentation:
        """Fits the words of a sentence to a lesson and to those before; they take the place of its own.

        Args:
            model: The model, in evaluation mode.
            image: The lesson's frame, RGB, uint8 `[1, 3, H, W]`, on any device.
            row: Number of the sentence.
            lesson: What it shall find there.
            threshold: Logit above which a pixel belongs to the target.

        Returns:
            The lesson's frame, segmented by the new words.
        """
        if self.language is None:
            self.language = model.encode_text([NAMELESS])
        image, kept = image.cpu().clone(), self.shown.get(row, [])
        if kept and torch.equal(kept[-1].image, image):  # more is shown in the same frame
            kept = kept[:-1]
        kept, lessons = kept[1 - KEPT :], [lesson]
        if kept:
            frames = model.encode_images(torch.cat([shown.image for shown in kept]), positions=self.positions)
            lessons += [Lesson(frames.select(slice(at, at + 1)), *shown[1:]) for at, shown in enumerate(kept)]
        language = Language(*(part[row : row + 1] for part in self.language))
        fitted = fit_words(model, language, lessons, threshold)
        self.language = self.language._replace(
            words=replaced(self.language.words, row, fitted.words),
            sentence=replaced(self.language.sentence, row, fitted.sentence),
        )
        self.shown[row] = [*kept, Shown(image, lesson.track, lesson.wanted, lesson.weight)]
        return model.segment(lesson.frame, fitted, lesson.track)
