"""The loss of a tracker that follows all objects: are they found, are their masks right, is the right one chosen?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.model.candidates import NO_OBJECT, Candidates, centroids
from refsam_zoo.model.object_tracks import NOBODY
from refsam_zoo.model.preprocessing import pad_to_square, shrink_masks
from refsam_zoo.model.trackers.base import Choice
from refsam_zoo.number_types import NonNegativeFloat
from refsam_zoo.recipes import Made
from refsam_zoo.training.losses import at_least_float32, dice_loss, focal_loss
from refsam_zoo.types import ClipBatch

_SMALLEST = 0.002
"""Share of the square from which on an object should be found."""
_SPREAD, _SHARE = 0.8, 0.15
"""How far from its middle cells are no mistake: in cells at least, and as a share of the object's size."""
_HALF = 0.5
"""Above this share a pixel, or an object, belongs to a mask."""


class ObjectLoss(Made, nn.Module):
    """Loss of finding, masks and choice, of trackers such as `candidate_tracks`; others have no part in it.

    - Finding: the penalty-reduced focal loss of CenterNet (arXiv 1904.07850) of the cells' heat.
    - Masks: dice plus focal loss of each candidate that lies at an object's middle.
    - Choice: cross-entropy over the objects followed and "nobody", in every frame; a sentence about several objects
      means each of them alike.

    Args:
        finding_weight: Weight of the first.
        mask_weight: Weight of the second.
        focal_weight: Weight of its focal loss against dice.
        choice_weight: Weight of the third.
    """

    def __init__(
        self,
        finding_weight: NonNegativeFloat = 1.0,
        mask_weight: NonNegativeFloat = 1.0,
        focal_weight: NonNegativeFloat = 5.0,
        choice_weight: NonNegativeFloat = 1.0,
    ) -> None:
        super().__init__()
        self.finding_weight, self.mask_weight = finding_weight, mask_weight
        self.focal_weight, self.choice_weight = focal_weight, choice_weight

    def forward(
        self, found: Candidates, choices: Sequence[Choice], objects: Tensor, meant: Tensor, clip_index: Tensor
    ) -> Tensor:
        """Averages over objects and then frames, and over sentences: several processes do what one does with all clips.

        Args:
            found: Candidates of B clips of T frames, clip by clip.
            choices: What N sentences chose in each of the T frames.
            objects: Masks of up to M objects of each clip at the decoder's size, empty where there are fewer, float
                `[B, M, T, 4h, 4w]` in 0..1.
            meant: Which of them each sentence means, bool `[N, M]`.
            clip_index: The clip of each sentence, int64 `[N]`.
        """
        masks = objects.transpose(1, 2).flatten(0, 1)
        boxes, areas = centroids(masks > _HALF)
        there = areas > _SMALLEST
        object_of = assigned(found, boxes, there)
        loss = self.finding_weight * finding_loss(at_least_float32(found.heat), boxes, there)
        loss = loss + self.mask_weight * self._mask_loss(at_least_float32(found.logits), masks, object_of)
        objects_of = object_of.unflatten(0, (len(objects), -1))[clip_index]
        return loss + self.choice_weight * choice_loss(choices, objects_of, meant)

    def _mask_loss(self, logits: Tensor, masks: Tensor, object_of: Tensor) -> Tensor:
        matched = object_of != NOBODY
        wanted = masks.gather(1, object_of.clamp(min=0)[..., None, None].expand(-1, -1, *masks.shape[2:]))
        loss = dice_loss(logits, wanted) + self.focal_weight * focal_loss(logits, wanted)
        return ((loss * matched).sum(1) / matched.sum(1).clamp(min=1)).mean()


def objects_and_meant(batch: ClipBatch, side: int) -> tuple[Tensor, Tensor]:
    """Makes what the loss compares with of a batch that has all objects' masks.

    Args:
        batch: B clips with N expressions.
        side: Side of the decoder's masks.

    Returns:
        Masks of up to M objects per clip, float `[B, M, T, side, side]`, and which of them each sentence means: those
        of which more than half is in its mask, bool `[N, M]`.
    """
    assert batch.masks is not None, "training clips have masks"
    assert batch.objects is not None, "the loss of objects was not asked for"
    objects, meant = [], []
    for place, (height, width) in enumerate(batch.sizes):
        own = _shrunk(batch.objects[place], side)
        wanted = _shrunk(batch.masks[batch.rows(place), :, :height, :width], side)
        areas = own.flatten(1).sum(1)
        meant.append(wanted.flatten(1) @ own.flatten(1).T > _HALF * areas.clamp(min=_HALF))
        objects.append(own)
    most = max(1, *(len(own) for own in objects))
    padded = [F.pad(own, (0, 0, 0, 0, 0, 0, 0, most - len(own))) for own in objects]
    return torch.stack(padded), torch.cat([F.pad(own, (0, most - own.shape[1])) for own in meant])


def _shrunk(masks: Tensor, side: int) -> Tensor:
    return shrink_masks(pad_to_square(masks), (side, side))


def assigned(found: Candidates, boxes: Tensor, there: Tensor) -> Tensor:
    """Tells which object each candidate is: the object's nearest, if it lies at the object's middle.

    Args:
        found: Candidates of F frames.
        boxes: Of M objects, float `[F, M, 4]`; see `Candidates`.
        there: Which objects are in the frame, bool `[F, M]`.

    Returns:
        int64 `[F, K]`, `NOBODY` of a candidate that is none.
    """
    height, width = found.heat.shape[-2:]
    middles = torch.stack([found.cells % width, found.cells // width], -1) + 0.5
    scale = boxes.new_tensor([width, height])
    distance = torch.cdist(middles.to(boxes), boxes[..., :2] * scale)
    reach = _reach(boxes, scale) + 1
    distance = distance.masked_fill((distance > reach[:, None]) | ~there[:, None], torch.inf)
    nearest = F.one_hot(distance.argmin(1), distance.shape[1]).transpose(1, 2).bool()
    distance = distance.masked_fill(~nearest, torch.inf)
    least, index = distance.min(2)
    return index.masked_fill(least.isinf(), NOBODY)


def finding_loss(heat: Tensor, boxes: Tensor, there: Tensor) -> Tensor:
    """CenterNet's focal loss per object of a frame, averaged over frames.

    Args:
        heat: Logits, float `[F, h, w]`.
        boxes: As of `assigned`.
        there: As of `assigned`.
    """
    height, width = heat.shape[-2:]
    scale = boxes.new_tensor([width, height])
    centres = boxes[..., :2] * scale
    rows, columns = (torch.arange(count, device=heat.device) + 0.5 for count in (height, width))
    squares = (rows[:, None] - centres[..., 1, None, None]) ** 2 + (columns - centres[..., 0, None, None]) ** 2
    hills = (-squares / (2 * _reach(boxes, scale)[..., None, None] ** 2)).exp() * there[..., None, None]
    column, row = centres.long().clamp(min=0).minimum(scale.long() - 1).unbind(-1)
    middle = (F.one_hot(row * width + column, height * width) * there[..., None]).amax(1).view_as(heat).bool()
    probability = heat.sigmoid().clamp(1e-4, 1 - 1e-4)
    missed = (1 - probability) ** 2 * probability.log()
    wrong = (1 - hills.amax(1)) ** 4 * probability**2 * (1 - probability).log()
    return -(torch.where(middle, missed, wrong).sum((1, 2)) / middle.sum((1, 2)).clamp(min=1)).mean()


def choice_loss(choices: Sequence[Choice], object_of: Tensor, meant: Tensor) -> Tensor:
    """Compares every frame's choice with what is meant; sentences whose target was not found yet have no part.

    Args:
        choices: Of T frames.
        object_of: Object that each candidate is, int64 `[N, T, K]`.
        meant: bool `[N, M]`.
    """
    followed = torch.full_like(choices[0].candidates, NOBODY)
    absent = ~meant.any(1)
    total = at_least_float32(choices[0].logits).new_zeros(())
    for choice, of_frame in zip(choices, object_of.unbind(1), strict=True):
        latest = of_frame.gather(1, choice.candidates.clamp(min=0))
        followed = torch.where(choice.candidates == NOBODY, followed, latest)
        logits = at_least_float32(choice.logits)
        right = meant.gather(1, followed.clamp(min=0)) & (followed != NOBODY) & (logits > NO_OBJECT / 2)
        share = right / right.sum(1, keepdim=True).clamp(min=1)
        # nobody has the logit 0
        loss = F.pad(logits, (0, 1)).logsumexp(1) - (share * logits).sum(1)
        total = total + (loss * (right.any(1) | absent)).mean()
    return total / len(choices)


def _reach(boxes: Tensor, scale: Tensor) -> Tensor:
    """Cells around an object's middle that are as good, float `[F, M]`."""
    return (_SHARE * (boxes[..., 2:] * scale).mean(-1)).clamp(min=_SPREAD)
