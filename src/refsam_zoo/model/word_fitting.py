"""A sentence learns what somebody shows: its words are fitted, through the frozen decoder, to a corrected mask.

After interactive segmentation that refines by backpropagation (BRS, f-BRS, arXiv 2001.10331), where clicks fit a few
numbers of a network that stays as it is. Here these numbers are the sentence's words behind the Cross-Modal MLP, which
sparse and dense prompt both read, so that later frames are asked for what was shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.pointing import LOWER_RIGHT, ON, UPPER_LEFT
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.model.trackers.base import Track

STEPS = 30
"""Most steps of a fit."""
_RATE = 0.1
_ENOUGH = 0.05
"""A loss at which nothing is left to learn."""
_SMOOTH = 0.01
_REACH = 1.6
"""Radius around a point, in pixels of the decoder's mask, that counts as it does."""
_STAYING = 0.3
"""Weight of the mask before against that of points and box."""


class Lesson(NamedTuple):
    """What a sentence shall find in a frame.

    Attributes:
        frame: The one frame.
        track: What the frame before gave; None at the first.
        wanted: The mask, float `[1, 4h, 4w]` in 0..1.
        weight: How much each of its pixels counts, float `[1, 4h, 4w]`; they add up to 1.
    """

    frame: EncodedFrames
    track: Track | None
    wanted: Tensor
    weight: Tensor


def lesson_of_mask(frame: EncodedFrames, track: Track | None, wanted: Tensor) -> Lesson:
    """Makes a lesson of a mask, float `[1, 4h, 4w]` in 0..1; see `Lesson`."""
    return Lesson(frame, track, wanted, balanced(wanted))


def lesson_of_points(
    frame: EncodedFrames, track: Track | None, points: Tensor, labels: Tensor, former: Tensor
) -> Lesson:
    """Makes a lesson of points and box for a decoder that does not know what they are.

    Around a point the mask is, or is not; nothing is outside a box, and its middle, half as wide and high, is on the
    target. Elsewhere the mask before stays, with a smaller weight; its inside only if all that is shown as the target
    touches it, for otherwise it was another thing.

    Args:
        frame: See `Lesson`.
        track: See `Lesson`.
        points: x and y, float `[P, 2]`, in pixels of the decoder's mask.
        labels: As `pointing.segment_by_points` takes them, int64 `[P]`.
        former: The mask before, bool `[1, 4h, 4w]`.
    """
    across = torch.arange(former.shape[-1], device=former.device, dtype=torch.float32) + 0.5
    places = torch.stack(torch.meshgrid(across, across, indexing="xy"), dim=-1)
    on, beside = torch.zeros_like(former), torch.zeros_like(former)
    touches = True
    clicks = labels <= ON
    for point, label in zip(points[clicks], labels[clicks].tolist(), strict=True):
        near = ((places - point).norm(dim=-1) <= _REACH)[None]
        if label == ON:
            on, touches = on | near, touches and bool((former & near).any())
        else:
            beside = beside | near
    if (labels == UPPER_LEFT).any():
        first, last = points[labels == UPPER_LEFT][0], points[labels == LOWER_RIGHT][0]
        beside = beside | ((places < first) | (places > last)).any(-1)[None]
        reach = ((last - first) / 4).clamp(min=_REACH)
        middle = ((((places - (first + last) / 2) / reach) ** 2).sum(-1) <= 1)[None]
        on, touches = on | middle, touches and bool((former & middle).any())
    on = on & ~beside
    free = ~(on | beside)
    kept = former & free if touches else torch.zeros_like(former)
    shown = (_evenly(on) + _evenly(beside)) / 2
    weight = shown + _STAYING * (_evenly(kept) + _evenly(free & ~former)) / 2
    return Lesson(frame, track, (on | kept).float(), weight / weight.sum())


def agrees(mask: Tensor, points: Tensor, labels: Tensor) -> bool:
    """Tells whether a mask is what points and box show; one of a decoder that knows no points rarely is.

    Args:
        mask: bool `[4h, 4w]`.
        points: As of `lesson_of_points`.
        labels: As of `lesson_of_points`.
    """
    cells = points.long().clamp(0, len(mask) - 1)
    clicks = labels <= ON
    if not torch.equal(mask[cells[clicks, 1], cells[clicks, 0]], labels[clicks] == ON):
        return False
    if not (labels == UPPER_LEFT).any():
        return True
    if not mask.any():
        return False
    found = torch.stack([around(mask.any(side).nonzero()) for side in (0, 1) for around in (torch.amin, torch.amax)])
    left, right, upper, lower = found.tolist()
    box = torch.cat([points[labels == UPPER_LEFT][0], points[labels == LOWER_RIGHT][0]])
    own = box.new_tensor([left, upper, right + 1, lower + 1])
    overlap = (torch.minimum(box[2:], own[2:]) - torch.maximum(box[:2], own[:2])).clamp(min=0).prod()
    areas = (box[2:] - box[:2]).prod() + (own[2:] - own[:2]).prod()
    return bool(overlap >= 0.5 * (areas - overlap))


def _evenly(pixels: Tensor) -> Tensor:
    """Spreads a weight of 1 over pixels, bool `[1, 4h, 4w]`, if there are any."""
    return pixels.float() / pixels.sum().clamp(min=1)


def balanced(wanted: Tensor) -> Tensor:
    """Gives the pixels of a mask and those beside it the same weight in all, adding up to 1; float like `wanted`."""
    sides = [wanted, 1 - wanted]
    return torch.stack([side / side.sum().clamp(min=1) for side in sides]).mean(0)


def fit_words(model: RefSAM, language: Language, lessons: Sequence[Lesson], threshold: float = 0.0) -> Language:
    """Fits the words of one sentence.

    It may be called in inference mode and under autocast, computes in the dtype of the model's weights, and leaves
    these and their gradients as they are.

    Args:
        model: The model, in evaluation mode.
        language: The sentence, N = 1.
        lessons: Frames and what it shall find there.
        threshold: Logit above which a pixel belongs to the target.

    Returns:
        The sentence with other words and another mean, each of unit length.
    """
    dtype, device = model.prompt_encoder.no_mask_embed.weight.dtype, language.words.device.type
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(device, enabled=False):
        plain = [_plain(lesson, dtype) for lesson in lessons]
        start = torch.cat([language.words, language.sentence.unsqueeze(1)], dim=1).detach().float().clone()
        mask = language.mask.clone()
        change = torch.zeros_like(start, requires_grad=True)
        optimizer = torch.optim.Adam([change], _RATE)
        best, least = change.detach().clone(), torch.inf
        for _ in range(STEPS):
            words = _changed(start, change, mask, dtype)
            loss = torch.stack([_loss(model, words, lesson, threshold) for lesson in plain]).mean()
            if not loss.requires_grad:  # a composition that reads no words
                break
            if loss.item() < least:
                best, least = change.detach().clone(), loss.item()
            if least < _ENOUGH:
                break
            (change.grad,) = torch.autograd.grad(loss, change)
            optimizer.step()
        return _changed(start, best, mask, language.words.dtype)


def _changed(start: Tensor, change: Tensor, mask: Tensor, dtype: torch.dtype) -> Language:
    # a change of 1 in every channel is as long as a word
    words = F.normalize(start + change * start.shape[-1] ** -0.5, dim=-1).to(dtype)
    return Language(words[:, :-1], words[:, -1], mask)


def _loss(model: RefSAM, language: Language, lesson: Lesson, threshold: float) -> Tensor:
    segmentation = model.segment(lesson.frame, language, lesson.track)
    logits, (wanted, weight) = segmentation.low_res_logits.float() - threshold, lesson[2:]
    loss = F.binary_cross_entropy_with_logits(logits, wanted, weight, reduction="sum")
    found = logits.sigmoid()
    overlap = 2 * (weight * found * wanted).sum() + _SMOOTH
    loss = loss + 1 - overlap / ((weight * (found + wanted)).sum() + _SMOOTH)
    if segmentation.object_score is not None:  # where it says that nothing is there, the mask has no gradient
        loss = loss + F.softplus(-segmentation.object_score.float()).mean()
    return loss


def _plain(lesson: Lesson, dtype: torch.dtype) -> Lesson:
    """Copies what was made in inference mode or under autocast, so that gradients may pass."""

    def copied(part: Tensor) -> Tensor:
        return part.detach().to(dtype if part.is_floating_point() else part.dtype, copy=True)

    frame, track = lesson.frame, lesson.track
    plain = EncodedFrames(
        copied(frame.image),
        [copied(part) for part in frame.maps],
        [copied(part) for part in frame.positions],
        None if frame.raw is None else copied(frame.raw),
        [copied(part) for part in frame.fine],
    )
    if track is not None:
        track = copied(track) if isinstance(track, Tensor) else type(track)(*map(copied, track))
    return Lesson(plain, track, lesson.wanted.clone(), lesson.weight.clone())
