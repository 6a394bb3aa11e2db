"""One learning rate per part of RefSAM, warm-up and decay."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from refsam_zoo.errors import InputError
from refsam_zoo.number_types import NonNegativeFloat, NonNegativeInt
from refsam_zoo.private_parts.pytorch import unscale_before_step


@dataclass
class LearningRates:
    """Learning rate of each part; the defaults are the paper's."""

    cross_modal: NonNegativeFloat = 1e-4
    """The Cross-Modal MLP."""
    sparse_prompt: NonNegativeFloat = 1e-4
    """The sparse prompt, where it has parameters."""
    dense_prompt: NonNegativeFloat = 1e-4
    """(Hierarchical) Dense Attention."""
    mask_decoder: NonNegativeFloat = 1e-6
    """SAM's mask decoder; at 1e-4 a pretrained one stalls."""
    tracker: NonNegativeFloat = 1e-4
    """The Implicit Tracking Module."""
    image_encoder: NonNegativeFloat = 1e-4
    """What the tuner trains in the image encoder."""
    text_encoder: NonNegativeFloat = 1e-4
    """What the text tuner trains in the text encoder."""


@dataclass
class Schedule:
    """How the learning rates change over a run."""

    kind: Literal["constant", "cosine"] = "constant"
    """Shape after warm-up: the paper's constant rate, or half a cosine down to zero at the last step."""
    warmup_steps: NonNegativeInt = 0
    """Steps over which the rates rise linearly from zero."""

    def factor(self, step: int, total_steps: float) -> float:
        """Gives the factor on all learning rates at a step of a run of so many steps, infinity where it has no end."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.kind == "constant":
            return 1.0
        done = (step - self.warmup_steps) / max(1, total_steps - self.warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def build_optimizer(
    model: nn.Module, alignment: nn.Module, rates: LearningRates, weight_decay: float
) -> torch.optim.AdamW:
    """Makes AdamW over what is trained, a group per part; vectors (biases, norms) do not decay.

    Args:
        model: A `RefSAM`; its children are named like the fields of `LearningRates`.
        alignment: The alignment loss, whose two numbers are learned at the Cross-Modal MLP's rate.
        rates: Learning rates.
        weight_decay: Decay of matrices.

    Raises:
        InputError: The weights are float16, in which AdamW's smallest numbers are zero and its first step gives NaN.
    """
    if any(p.requires_grad and p.dtype == torch.float16 for p in model.parameters()):
        raise InputError("16-true cannot train: AdamW divides by zero in float16; take --trainer.precision 16-mixed")
    groups: list[dict[str, Any]] = []
    for part in fields(rates):
        trained = [p for p in getattr(model, part.name).parameters() if p.requires_grad]
        for name, chosen, decay in (
            (part.name, [p for p in trained if p.ndim > 1], weight_decay),
            (f"{part.name}_vectors", [p for p in trained if p.ndim <= 1], 0.0),
        ):
            if chosen:
                groups.append({"params": chosen, "lr": getattr(rates, part.name), "weight_decay": decay, "name": name})
    learned = [p for p in alignment.parameters() if p.requires_grad]
    if learned:
        groups.append({"params": learned, "lr": rates.cross_modal, "weight_decay": 0.0, "name": "alignment"})
    optimizer = torch.optim.AdamW(groups, fused=True)
    unscale_before_step(optimizer)
    return optimizer


def build_schedule(optimizer: torch.optim.Optimizer, schedule: Schedule, total_steps: Callable[[], float]) -> LambdaLR:
    """Makes the learning-rate schedule of a run.

    Args:
        optimizer: Optimiser whose rates are scaled.
        schedule: Schedule.
        total_steps: Gives the number of optimiser steps of the run. Asked from the first step on only: earlier, the
            data are not set up.
    """
    return LambdaLR(optimizer, lambda step: schedule.factor(step, total_steps() if step else math.inf))
