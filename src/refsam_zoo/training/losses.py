"""RefSAM's training loss: dice plus focal, averaged over frames and expressions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.recipes import Made


def dice_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Dice loss of each mask.

    Args:
        logits: float `[..., H, W]`.
        masks: float `[..., H, W]` in 0..1.

    Returns:
        `1 - (2 sum(p y) + 1) / (sum p + sum y + 1)`, float `[...]`.
    """
    probabilities, masks = logits.sigmoid().flatten(-2), masks.flatten(-2)
    overlap = (probabilities * masks).sum(-1)
    return 1 - (2 * overlap + 1) / (probabilities.sum(-1) + masks.sum(-1) + 1)


def focal_loss(logits: Tensor, masks: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Sigmoid focal loss (arXiv 1708.02002) of each mask, averaged over its pixels.

    Args:
        logits: float `[..., H, W]`.
        masks: float `[..., H, W]` in 0..1.
        alpha: Weight of the object's pixels; the background's is `1 - alpha`.
        gamma: Exponent that quiets easy pixels.

    Returns:
        float `[...]`.
    """
    cross_entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    probabilities = logits.sigmoid()
    missed = probabilities + masks - 2 * probabilities * masks
    weights = alpha * masks + (1 - alpha) * (1 - masks)
    return (weights * missed**gamma * cross_entropy).flatten(-2).mean(-1)


def at_least_float32(values: Tensor) -> Tensor:
    """Gives half precision as float32: sums over a frame lose small terms in bfloat16 and overflow float16."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


class MaskLoss(Made, nn.Module):
    """Dice plus focal loss.

    Args:
        dice_weight: Weight of the dice loss.
        focal_weight: Weight of the focal loss.
        stride: Compare at the frames' size divided by this; 1 is the paper's, 2 costs a quarter.
    """

    def __init__(self, dice_weight: float = 1.0, focal_weight: float = 1.0, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.dice_weight = dice_weight
        self.focal_weight = focal_weight

    def forward(self, logits: Tensor, masks: Tensor) -> Tensor:
        """Averages over all masks.

        Args:
            logits: float `[..., H, W]`.
            masks: `[..., H, W]` in 0..1 of any dtype.
        """
        logits = at_least_float32(logits)
        masks = masks.to(logits.dtype)
        return (self.dice_weight * dice_loss(logits, masks) + self.focal_weight * focal_loss(logits, masks)).mean()


class AlignmentLoss(Made, nn.Module):
    """Pulls the pixels of the referred object towards its sentence, after CRIS (arXiv 2111.15174).

    The similarity of each pixel of the image embedding with the sentence, scaled and shifted by two learned numbers,
    is compared with the mask by binary cross-entropy. Pixels of the clip's referred objects count as much together as
    all others: most sentences are told apart there alone, and in a plain mean the background drowns what distinguishes
    two objects of one colour. A model trained from scratch learns what words mean from this much sooner than through
    the mask decoder.

    Args:
        weight: Weight of the loss; 0, the paper's, leaves it out.
    """

    def __init__(self, weight: float = 0.0) -> None:
        super().__init__()
        self.weight = weight
        self.log_scale = nn.Parameter(torch.tensor(10.0).log(), requires_grad=weight > 0)
        # most pixels are background: start there
        self.shift = nn.Parameter(torch.tensor(-4.0), requires_grad=weight > 0)

    def forward(self, pixels: Tensor, sentences: Tensor, masks: Tensor, clip_index: Tensor) -> Tensor:
        """Averages over the referred objects' pixels and over the others.

        Args:
            pixels: Image embeddings of unit length, float `[N, T, C, h, w]`.
            sentences: Sentences of unit length, float `[N, C]`.
            masks: Share of each cell that is object, float `[N, T, h, w]` in 0..1.
            clip_index: The clip of each sentence, int64 `[N]`.
        """
        similarity = at_least_float32(torch.einsum("ntchw,nc->nthw", pixels, sentences))
        logits, masks = similarity * self.log_scale.exp() + self.shift, masks.to(similarity.dtype)
        cross_entropy = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
        objects = _of_any_sentence(masks, clip_index)
        return self.weight * (_weighted_mean(cross_entropy, objects) + _weighted_mean(cross_entropy, 1 - objects)) / 2


def _of_any_sentence(masks: Tensor, clip_index: Tensor) -> Tensor:
    """Share of each cell that is an object of any sentence about the same clip, float like `masks`."""
    same_clip = (clip_index[:, None] == clip_index)[..., None, None, None]
    return (masks * same_clip).amax(dim=1)


def _weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp(min=1)
