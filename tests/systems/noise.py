"""Smooth random frames."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def noise(number: int, height: int = 40, width: int = 60) -> Tensor:
    """Makes the frame of a number: RGB, uint8 `[3, H, W]`."""
    coarse = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(number))
    return (F.interpolate(coarse, (height, width), mode="bilinear")[0] * 255).to(torch.uint8)
