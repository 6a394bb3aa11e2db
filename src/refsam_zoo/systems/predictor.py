"""RefSAM over videos: each frame encoded once for all sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from typing_extensions import Self

from refsam_zoo.checkpoints.restoring import load_model
from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.pointing import LOWER_RIGHT, UPPER_LEFT, segment_by_mask, segment_by_points, segment_by_track
from refsam_zoo.model.preprocessing import Fitting, resized
from refsam_zoo.model.refsam import RefSAM, Segmentation
from refsam_zoo.model.trackers.base import Track, replaced, selected
from refsam_zoo.model.trackers.base import joined as joined_tracks
from refsam_zoo.model.word_fitting import Lesson, agrees, lesson_of_mask, lesson_of_points
from refsam_zoo.number_types import FiniteFloat, PositiveInt
from refsam_zoo.precision import choose_device
from refsam_zoo.systems.base import Found, VideoSegmenter, joined
from refsam_zoo.systems.corrections import Correction
from refsam_zoo.systems.token_track import TokenTrack

MASK_CONFIDENCE = "mean probability of the mask's pixels, or where there is no mask, the highest of all pixels"
"""What `mask_confidence` tells."""

PRESENCE = "probability that the sentence's target is in the frame, as the model has learned to tell"
"""What RefSAM's scores are where its mask decoder or its tracker tells it."""


class Predictor(VideoSegmenter[TokenTrack]):
    """Runs RefSAM over videos frame by frame, each frame encoded once for all its expressions.

    The model is used as it is: put it into evaluation mode and onto its device first.

    A score is the probability that the target is there, of a mask decoder that has learned to tell, and of others the
    mean probability of the mask's pixels: SAM's head for the quality of masks takes no part in RefSAM's training.

    Args:
        model: The model.
        threshold: Logit above which a pixel belongs to the object; RefSAM's released code takes 0.01.
        frames_at_once: Frames encoded together when a whole window is there.
        expressions_at_once: Expressions decoded together; bounds memory.
    """

    model: RefSAM
    takes_corrections = True

    def __init__(
        self,
        model: RefSAM,
        threshold: FiniteFloat = 0.0,
        frames_at_once: PositiveInt = 4,
        expressions_at_once: PositiveInt = 8,
    ) -> None:
        super().__init__(model)
        self.score_meaning = PRESENCE if tells_presence(model) else MASK_CONFIDENCE
        self.threshold = threshold
        self.frames_at_once = frames_at_once
        self.expressions_at_once = expressions_at_once

    @classmethod
    def from_pretrained(
        cls, source: str | Path, device: str | torch.device = "auto", dtype: torch.dtype | None = None, **options: Any
    ) -> Self:
        """Loads a model and puts it onto a device.

        Args:
            source: A folder of `save_pretrained` or `refsam-zoo export`, or a checkpoint of `refsam-zoo fit`.
            device: "cpu", "cuda", "cuda:1", ...; "auto" takes a GPU where there is one.
            dtype: Of the weights, for instance `torch.bfloat16`; None leaves them in float32.
            options: See the class.

        Raises:
            InputError: Nothing is there, it is something else, or there is no such device.
        """
        model = load_model(source).to(choose_device(str(device)), dtype)
        return cls(model, **options)

    @property
    def compiled_parts(self) -> Sequence[nn.Module]:
        """The image encoder, which sees frames of one size; sentences and their number change, and would recompile."""
        return [self.model.image_encoder]

    def start(self, expressions: Sequence[str]) -> TokenTrack:
        """See `VideoSegmenter.start`."""
        return TokenTrack(self.encode_text(expressions))

    def start_object(self) -> TokenTrack:
        """See `VideoSegmenter.start_object`; what is shown of it teaches it words, or is what the tracker carries."""
        return TokenTrack(None)

    def encode_text(self, expressions: Sequence[str]) -> Language:
        """Encodes the N sentences about a video, once for all its frames."""
        return self.model.encode_text(expressions)

    def segment(self, images: Tensor, track: TokenTrack) -> Iterator[Found]:
        """Encodes all frames at once; see `VideoSegmenter.segment`."""
        return self.segment_together(images, [track])

    def segment_together(self, images: Tensor, tracks: Sequence[TokenTrack]) -> Iterator[Found]:
        """Encodes each frame once for all tracks; see `VideoSegmenter.segment_together`."""
        size = (images.shape[-2], images.shape[-1])
        encoded = self.model.encode_images(images, positions=tracks[0].positions)
        for track in tracks:
            track.positions = encoded.positions
        for step in range(len(images)):
            frame = encoded.select(slice(step, step + 1))
            yield joined([self._next(frame, size, track) for track in tracks])

    def _next(self, frame: EncodedFrames, size: tuple[int, int], track: TokenTrack) -> Found:
        track.earlier = track.token
        if track.language is not None:
            return self.decode(frame, size, track)
        if track.token is None:
            track.logits, device = None, frame.image.device
            return Found(torch.zeros(1, *size, dtype=torch.bool, device=device), torch.zeros(1, device=device))
        segmentation = segment_by_track(self.model, frame, track.token)
        track.token, track.logits = segmentation.track_token, segmentation.low_res_logits
        return self._found(segmentation, size)

    def correct(self, image: Tensor, track: TokenTrack, row: int, correction: Correction) -> Found:
        """Decodes the frame as SAM does it, points and box in the place of words; see `VideoSegmenter.correct`.

        A mask is taken as it is. The sentence counts again from the next frame on: its words are fitted to what was
        shown, unless the tracker's memory shows that to later frames.
        """
        size, rows = (image.shape[-2], image.shape[-1]), slice(row, row + 1)
        frame = self.model.encode_images(image, positions=track.positions)
        earlier = None if track.earlier is None else selected(track.earlier, rows)
        if correction.mask is not None:
            mask, certain = torch.from_numpy(correction.mask).to(frame.image.device), True
            segmentation = segment_by_mask(self.model, frame, mask, earlier)
            found = Found(mask[None], torch.ones(1, device=mask.device))
            lesson = lesson_of_mask(frame, earlier, segmentation.low_res_logits.float().sigmoid())
        else:
            points, labels = square_points(correction, size, self.model.image_encoder.image_size, frame.image)
            previous = None if track.logits is None else track.logits[rows]
            segmentation = segment_by_points(self.model, frame, points, labels, previous, earlier)
            found = self._found(segmentation, size)
            lesson, certain = self._lesson(frame, earlier, points, labels, segmentation.low_res_logits, previous)
        if not self.model.tracker.shows_target and (lesson.wanted > 0.5).any():
            taught = track.learn(self.model, image, row, lesson, self.threshold)
            if certain:
                segmentation = replace(segmentation, track_token=taught.track_token)
            else:
                segmentation, found = taught, self._found(taught, size)
        logits, token = segmentation.low_res_logits, segmentation.track_token
        track.logits = logits if track.logits is None else replaced(track.logits, row, logits)
        track.token = token if track.token is None or token is None else replaced(track.token, row, token)
        return found

    def _lesson(
        self,
        frame: EncodedFrames,
        earlier: Track | None,
        points: Tensor,
        labels: Tensor,
        logits: Tensor,
        previous: Tensor | None,
    ) -> tuple[Lesson, bool]:
        """Makes a lesson of the mask that the decoder makes of points and box, if it shows these; else of them alone.

        Returns:
            The lesson, and whether it is that mask.
        """
        mask = logits > self.threshold
        points = points * (mask.shape[-1] / self.model.image_encoder.image_size)
        if agrees(mask[0], points, labels):
            return lesson_of_mask(frame, earlier, mask.float()), True
        former = torch.zeros_like(mask) if previous is None else previous > self.threshold
        return lesson_of_points(frame, earlier, points, labels, former), False

    def _found(self, segmentation: Segmentation, size: tuple[int, int]) -> Found:
        logits = self.model.restore(segmentation.low_res_logits, size)
        masks = logits > self.threshold
        return Found(masks, scores_of(segmentation, logits, masks))

    def decode(self, frame: EncodedFrames, size: tuple[int, int], track: TokenTrack) -> Found:
        """Segments the next frame of a video for all its sentences and takes the track a frame further.

        Args:
            frame: The one frame.
            size: Its height and width in pixels.
            track: The video under way; its token is replaced.
        """
        assert track.language is not None
        found, tokens, logits = [], [], []
        for start in range(0, len(track.language.mask), self.expressions_at_once):
            rows = slice(start, start + self.expressions_at_once)
            language = Language(*(part[rows] for part in track.language))
            token = None if track.token is None else selected(track.token, rows)
            segmentation = self.model.segment(frame.repeat(len(language.mask)), language, token)
            found.append(self._found(segmentation, size))
            logits.append(segmentation.low_res_logits)
            if segmentation.track_token is not None:
                tokens.append(segmentation.track_token)
        track.token = joined_tracks(tokens) if tokens else None
        track.logits = torch.cat(logits)
        return joined(found)


def square_points(
    correction: Correction, size: tuple[int, int], image_size: int, like: Tensor, fitted: Fitting = resized
) -> tuple[Tensor, Tensor]:
    """Gives points and corners of the box in pixels of the model's square input.

    Args:
        correction: In pixels of the frame.
        size: Height and width of the frame.
        image_size: Side of the square.
        like: A tensor on the device to use.
        fitted: Says how large a frame is in the square.

    Returns:
        x and y float `[P, 2]`, and labels int64 `[P]` as `pointing.segment_by_points` takes them.
    """
    corners = [] if correction.box is None else [correction.box.reshape(2, 2)]
    points = torch.from_numpy(np.concatenate([*corners, correction.points]))
    kinds = [UPPER_LEFT, LOWER_RIGHT] if corners else []
    labels = torch.tensor([*kinds, *correction.labels.tolist()], dtype=torch.long, device="cpu")
    height, width = fitted(size, image_size)
    scale = torch.tensor([width / size[1], height / size[0]], dtype=torch.float32, device="cpu")
    return (points * scale).to(like.device), labels.to(like.device)


def tells_presence(model: RefSAM) -> bool:
    """Whether training teaches a model to tell if a sentence's target is there."""
    return model.mask_decoder.tells_presence or model.tracker.chooses


def scores_of(segmentation: Segmentation, logits: Tensor, masks: Tensor) -> Tensor:
    """Gives each mask its score; see `Predictor`.

    Args:
        segmentation: What the model gave.
        logits: Its logits at the frame's size, float `[N, H, W]`.
        masks: What was made of them, bool `[N, H, W]`.

    Returns:
        float `[N]`, 0..1.
    """
    if segmentation.object_score is not None:
        return segmentation.object_score.sigmoid()
    return mask_confidence(logits, masks)


def mask_confidence(logits: Tensor, masks: Tensor) -> Tensor:
    """Tells how sure a model is of its masks, where it has no score of its own.

    Args:
        logits: float `[N, H, W]`.
        masks: What was made of them, bool `[N, H, W]`.

    Returns:
        Mean probability of a mask's pixels, or where it is empty, the highest probability there is: float `[N]`, 0..1.
    """
    probabilities = logits.flatten(1).sigmoid()
    inside = masks.flatten(1)
    mean = (probabilities * inside).sum(1) / inside.sum(1).clamp(min=1)
    return torch.where(inside.any(1), mean, probabilities.amax(1))
