"""One frame segmented by what somebody shows in it, points, a box or a mask, in the place of words.

The frame is decoded as SAM does it: prompt tokens of SAM's prompt encoder, and as dense prompt the mask before them.
What the tracker then carries to the next frame is made of the result as of any other.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.mask_decoders.base import Decoded, MaskDecoder
from refsam_zoo.model.preprocessing import Fitting, pad_to_square
from refsam_zoo.model.refsam import RefSAM, Segmentation
from refsam_zoo.model.trackers.base import Track, Tracker

BESIDE, ON, UPPER_LEFT, LOWER_RIGHT = range(4)
"""Labels of points: beside the object, on it, and the corners of its box."""
_NOTHING = -1
_LIMIT = 32.0
_SCALE, _BIAS = 20.0, -10.0
"""A mask that is certain has the logit 10 inside and -10 outside."""


class Prompted(Protocol):
    """A model with SAM's prompt encoder and a mask decoder that takes its prompts."""

    prompt_encoder: Any
    mask_decoder: MaskDecoder
    tracker: Tracker


def segment_by_points(
    model: Prompted, frame: EncodedFrames, points: Tensor, labels: Tensor, previous: Tensor | None, track: Track | None
) -> Segmentation:
    """Segments what points or the corners of a box show.

    Args:
        model: The model, in evaluation mode.
        frame: The frame.
        points: Their x and y in pixels of the square input, float `[P, 2]`.
        labels: What each is, int64 `[P]`: `BESIDE`, `ON`, `UPPER_LEFT` or `LOWER_RIGHT`.
        previous: Logits of the mask that is to be corrected, float `[1, 4h, 4w]`; None if there was none.
        track: What the frame before gave; None at the first.
    """
    single = len(points) == 1
    if model.mask_decoder.always_padded or UPPER_LEFT not in labels:
        points, labels = F.pad(points, (0, 0, 0, 1)), F.pad(labels, (0, 1), value=_NOTHING)
    tokens = model.prompt_encoder.point_tokens(points, labels)
    image = model.tracker.condition(frame, track)
    decoded = _decode(model, frame, image, tokens, previous, ambiguous=single)
    return _remembered(model, frame, decoded._replace(certain=True), track)


def segment_by_mask(model: RefSAM, frame: EncodedFrames, mask: Tensor, track: Track | None) -> Segmentation:
    """Takes a mask as it is, and makes of it what is carried to the next frame.

    Args:
        model: The model, in evaluation mode.
        frame: The frame.
        mask: bool `[H, W]`, of the frame's size.
        track: What the frame before gave; None at the first.
    """
    # in float32: on a processor nothing else is resized so
    square = _resized(pad_to_square(mask[None, None]).float(), model.image_encoder.image_size).round()
    logits = (_SCALE * _resized(square, 4 * frame.image.shape[-1])[:, 0] + _BIAS).to(frame.image.dtype)
    prompt = model.tracker.mask_prompt(square.to(frame.image.dtype))
    decoded = _decode(
        model, frame, frame.embedding, _no_points(model, frame), logits if prompt is None else prompt, ambiguous=True
    )
    score = logits.new_full((1,), _SCALE * float(mask.any()) + _BIAS)
    certain = Decoded(logits, torch.ones_like(score), decoded.mask_token, score, certain=True)
    return _remembered(model, frame, certain, track)


def segment_by_track(model: RefSAM, frame: EncodedFrames, track: Track) -> Segmentation:
    """Segments what was shown in an earlier frame, by what the tracker carries of it alone.

    Args:
        model: The model, in evaluation mode.
        frame: The frame.
        track: What the frame before gave.
    """
    chosen = model.tracker.choose(frame, None, track)
    if chosen is not None:
        return Segmentation.of(chosen)
    carried = model.tracker.prompt(track)
    tokens = carried if carried.shape[1] else _no_points(model, frame)
    decoded = _decode(model, frame, model.tracker.condition(frame, track), tokens, None, ambiguous=True)
    return _remembered(model, frame, decoded, track)


def mask_logits(mask: Tensor, side: int, image_size: int, fitted: Fitting) -> Tensor:
    """Makes the logits of a mask that is certain, as a decoder would give them.

    Args:
        mask: bool `[H, W]`, of the frame's size.
        side: Side of the decoder's masks.
        image_size: Side of the network's square input.
        fitted: Says how large a frame is in the square.

    Returns:
        float32 `[1, side, side]`.
    """
    height, width = fitted((mask.shape[0], mask.shape[1]), image_size)
    square = torch.zeros(1, 1, image_size, image_size, device=mask.device)
    square[..., :height, :width] = F.interpolate(mask[None, None].float(), (height, width), mode="bilinear")
    return _SCALE * _resized(square, side)[:, 0] + _BIAS


def segment_by_previous(model: Prompted, frame: EncodedFrames, tokens: Tensor | None, previous: Tensor) -> Decoded:
    """Segments what was shown in an earlier frame of a model without memory: its mask there is the dense prompt here.

    Args:
        model: The model, in evaluation mode.
        frame: The frame.
        tokens: The sentence as prompt tokens, float `[1, L, C]`; None where there is none.
        previous: Logits of the mask in the frame before, float `[1, 4h, 4w]`.
    """
    tokens = _no_points(model, frame) if tokens is None else tokens
    return _decode(model, frame, frame.embedding, tokens, previous, ambiguous=False)


def _decode(
    model: Prompted, frame: EncodedFrames, image: Tensor, tokens: Tensor, previous: Tensor | None, ambiguous: bool
) -> Decoded:
    """Runs the mask decoder on a frame, whose mask before is the dense prompt."""
    if previous is None:
        dense = model.prompt_encoder.no_mask_embed.weight[:, :, None, None].expand_as(image)
    else:
        dense = model.prompt_encoder.mask_downscaling(previous.clamp(-_LIMIT, _LIMIT)[:, None].to(image.dtype))
    return model.mask_decoder.prompted(image, frame.positions, dense, tokens, frame.fine, ambiguous)


def _resized(square: Tensor, side: int) -> Tensor:
    return F.interpolate(square, (side, side), mode="bilinear", antialias=True)


def _no_points(model: Prompted, frame: EncodedFrames) -> Tensor:
    """The prompt tokens where nobody points: none, or the padding that SAM 2 knows."""
    count = 2 if model.mask_decoder.always_padded else 0
    labels = torch.full((count,), _NOTHING, device=frame.image.device)
    tokens: Tensor = model.prompt_encoder.point_tokens(frame.image.new_zeros(count, 2), labels)
    return tokens


def _remembered(model: Prompted, frame: EncodedFrames, decoded: Decoded, track: Track | None) -> Segmentation:
    carried = model.tracker.remember(decoded, track, frame)
    return Segmentation(decoded.low_res_logits, decoded.iou, carried, decoded.object_score)
