"""How the released RefSAM code turns logits into masks, for comparison with numbers made by it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from refsam_zoo.errors import InputError
from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.number_types import PositiveInt
from refsam_zoo.systems.base import Found
from refsam_zoo.systems.corrections import Correction
from refsam_zoo.systems.predictor import Predictor, scores_of
from refsam_zoo.systems.token_track import TokenTrack

ANNOTATORS = 4
"""Sentences about each object of Ref-DAVIS17; sentence 4 k + a is annotator a's about the k-th object."""


class ReleasedPredictor(Predictor):
    """The released code on Ref-YouTube-VOS: a logit must exceed 0.01, and each sentence is encoded on its own.

    The second matters for a text encoder with `mask_padding: false`, which otherwise attends to padding.

    Args:
        model: The model.
        frames_at_once: See `Predictor`.
        expressions_at_once: See `Predictor`.
    """

    released_threshold = 0.01

    def __init__(self, model: RefSAM, frames_at_once: PositiveInt = 4, expressions_at_once: PositiveInt = 8) -> None:
        super().__init__(model, self.released_threshold, frames_at_once, expressions_at_once)

    def encode_text(self, expressions: Sequence[str]) -> Language:
        """Encodes sentence by sentence; see `Predictor.encode_text`."""
        sentences = [self.model.encode_text([expression]) for expression in expressions]
        length = max(sentence.words.shape[1] for sentence in sentences)
        return Language(
            torch.cat([F.pad(one.words, (0, 0, 0, length - one.words.shape[1])) for one in sentences]),
            torch.cat([one.sentence for one in sentences]),
            torch.cat([F.pad(one.mask, (0, length - one.mask.shape[1])) for one in sentences]),
        )


class ReleasedDavisPredictor(ReleasedPredictor):
    """The released code on Ref-DAVIS17: objects compete, and an object's four annotators share one track token.

    A pixel belongs to the object of the highest logit, if that exceeds the background's 0.1. The annotators are asked
    one after the other, so that each reads the track token that the one before wrote on the same frame, and the first
    reads on the next frame what the last wrote on this one.

    Args:
        model: The model.
        frames_at_once: See `Predictor`.
        expressions_at_once: Not used: an annotator's sentences are decoded together.
    """

    released_threshold = 0.1
    takes_corrections = False

    def start_object(self) -> TokenTrack:
        """Refuses; see `VideoSegmenter.start_object`."""
        raise self.refusal()

    def correct(self, image: Tensor, track: TokenTrack, row: int, correction: Correction) -> Found:
        """Refuses: sentences share tokens here; see `VideoSegmenter.correct`."""
        raise self.refusal()

    def decode(self, frame: EncodedFrames, size: tuple[int, int], track: TokenTrack) -> Found:
        """Asks the annotators in turn; the track's token is one per object. See `Predictor.decode`."""
        assert track.language is not None
        count = len(track.language.mask)
        if count % ANNOTATORS:
            raise InputError(f"{count} sentences about a video are not {ANNOTATORS} for each object, as in Ref-DAVIS17")
        same_frame = frame.repeat(count // ANNOTATORS)
        masks = torch.empty(count, *size, dtype=torch.bool, device=frame.image.device)
        scores = torch.empty(count, device=frame.image.device)
        for annotator in range(ANNOTATORS):
            language = Language(*(part[annotator::ANNOTATORS] for part in track.language))
            segmentation = self.model.segment(same_frame, language, track.token)
            track.token = segmentation.track_token
            logits = self.model.restore(segmentation.low_res_logits, size)
            masks[annotator::ANNOTATORS] = won = self._compete(logits)
            scores[annotator::ANNOTATORS] = scores_of(segmentation, logits, won)
        return Found(masks, scores)

    def _compete(self, logits: Tensor) -> Tensor:
        """Gives each pixel to the background or one object, the first of equals; logits float `[K, H, W]`."""
        everything = F.pad(logits, (0, 0, 0, 0, 1, 0), value=self.threshold)
        objects = torch.arange(1, len(everything), device=logits.device)
        return everything.argmax(0) == objects[:, None, None]
