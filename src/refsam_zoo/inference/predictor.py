"""Online inference: frames in, masks out, in memory that does not depend on the length of the video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from refsam_zoo.inference.inputs import checked_sentences, rgb_batches
from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.refsam import EncodedFrames, RefSAM
from refsam_zoo.number_types import FiniteFloat, PositiveInt
from refsam_zoo.types import ClipBatch


@dataclass
class FrameMasks:
    """One frame and where its expressions point.

    Attributes:
        frame: RGB, uint8 `[H, W, 3]`.
        masks: bool `[N, H, W]`, one per expression.
    """

    frame: np.ndarray
    masks: np.ndarray


@dataclass
class Track:
    """A video under way: what is asked about it and what was seen so far.

    Attributes:
        language: The N sentences, encoded.
        token: What the tracker carries after the last frame, float `[N, M, C]`; None before the first and without one.
        positions: The mask decoder's position terms, the same for all frames; None before the first.
    """

    language: Language
    token: Tensor | None = None
    positions: list[Tensor] | None = None


VideoState = dict[str, Track]
"""The videos under way, by their id."""


class Predictor:
    """Runs RefSAM over videos frame by frame, each frame encoded once for all its expressions.

    The model is used as it is: put it into evaluation mode and onto its device first.

    Args:
        model: The model.
        threshold: Logit above which a pixel belongs to the object; RefSAM's released code takes 0.01.
        frames_at_once: Frames encoded together when a whole window is there.
        expressions_at_once: Expressions decoded together; bounds memory.
    """

    def __init__(
        self,
        model: RefSAM,
        threshold: FiniteFloat = 0.0,
        frames_at_once: PositiveInt = 4,
        expressions_at_once: PositiveInt = 8,
    ) -> None:
        self.model = model
        self.threshold = threshold
        self.frames_at_once = frames_at_once
        self.expressions_at_once = expressions_at_once

    @torch.inference_mode()
    def stream(self, frames: Iterable[Any], expressions: str | Sequence[str]) -> Iterator[FrameMasks]:
        """Segments a video while it is read.

        Args:
            frames: Frames or batches of consecutive frames, taken one at a time; the frames of a batch are encoded
                together. RGB, uint8 `[n, H, W, 3]`, or what else `inputs.rgb_batches` takes.
            expressions: N sentences about the video, or a single one.

        Yields:
            Each frame with its masks, in order.

        Raises:
            InputError: A sentence is empty, or a frame is of another kind, shape or range.
        """
        track = Track(self.encode_text(checked_sentences(expressions)))
        for batch in rgb_batches(frames):
            # copied where an array is read-only, which PyTorch has no tensors for
            images = torch.from_numpy(np.require(batch, requirements="W")).permute(0, 3, 1, 2)
            for frame, masks in zip(batch, self._segment(images, track), strict=True):
                yield FrameMasks(frame, masks.cpu().numpy())

    @torch.inference_mode()
    def window(self, batch: ClipBatch, state: VideoState | None = None) -> tuple[Tensor, VideoState]:
        """Segments the next frames of videos.

        Args:
            batch: Windows of videos, in order; windows of the same video may be in one batch.
            state: What the previous call gave; None at the start.

        Returns:
            Masks, bool `[N, T, H, W]`, False where a clip is padded, and the state for the next call.

        Raises:
            ValueError: A window came without the one before it.
        """
        steps, height, width = batch.frames[0, :, 0].shape
        masks = torch.zeros(len(batch.expressions), steps, height, width, dtype=torch.bool, device=self.model.device)
        previous, under_way = state or {}, VideoState()
        for index, clip in enumerate(batch.clips):
            video, (height, width) = clip.referrals[0].video_id, batch.sizes[index]
            track = None if clip.first else (previous | under_way).get(video)
            # A repeated window only fills up a process's share: it may come alone, and nothing is made of its masks.
            if track is None and not clip.first and not clip.repeated:
                raise ValueError(f"video {video}: a later window came without the one before it")
            under_way[video] = track = track or Track(self.encode_text(clip.expressions))
            rows = batch.rows(index)
            for start in range(0, steps, self.frames_at_once):
                images = batch.frames[index, start : start + self.frames_at_once, :, :height, :width]
                for step, found in enumerate(self._segment(images, track), start):
                    masks[rows, step, :height, :width] = found
        return masks, under_way

    def encode_text(self, expressions: Sequence[str]) -> Language:
        """Encodes the N sentences about a video, once for all its frames."""
        return self.model.encode_text(expressions)

    def _segment(self, images: Tensor, track: Track) -> Iterator[Tensor]:
        """Segments the next frames of a video, uint8 `[n, 3, H, W]`; gives masks, bool `[N, H, W]`, for each."""
        size = (images.shape[-2], images.shape[-1])
        encoded = self.model.encode_images(images, positions=track.positions)
        track.positions = encoded.positions
        for step in range(len(images)):
            yield self.decode(encoded.select(slice(step, step + 1)), size, track)

    def decode(self, frame: EncodedFrames, size: tuple[int, int], track: Track) -> Tensor:
        """Segments the next frame of a video for all its sentences and takes the track a frame further.

        Args:
            frame: The one frame.
            size: Its height and width in pixels.
            track: The video under way; its token is replaced.

        Returns:
            bool `[N, H, W]`.
        """
        masks, tokens = [], []
        for start in range(0, len(track.language.mask), self.expressions_at_once):
            rows = slice(start, start + self.expressions_at_once)
            language = Language(*(part[rows] for part in track.language))
            token = None if track.token is None else track.token[rows]
            segmentation = self.model.segment(frame.repeat(len(language.mask)), language, token)
            masks.append(self.model.restore(segmentation.low_res_logits, size) > self.threshold)
            if segmentation.track_token is not None:
                tokens.append(segmentation.track_token)
        track.token = torch.cat(tokens) if tokens else None
        return torch.cat(masks)
