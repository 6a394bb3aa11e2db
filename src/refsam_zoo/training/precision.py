"""The precision of a run that asks for none."""

from __future__ import annotations

from typing import Literal

import torch
from lightning.pytorch.accelerators import Accelerator


def default_precision(accelerator: str | Accelerator) -> Literal["bf16-mixed", "32-true"]:
    """Chooses bfloat16 where the device that computes has it in hardware: a recent GPU, or a CPU with AMX.

    Args:
        accelerator: The trainer's `accelerator`; what `auto` and `gpu` stand for is looked up on this machine.
    """
    device = _device(accelerator if isinstance(accelerator, str) else accelerator.name())
    if device == "cuda":
        # looked at first, since the question for bfloat16 fails without a GPU; the trainer then says what is wrong
        fast = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device == "cpu" and torch.cpu._is_amx_tile_supported()
    return "bf16-mixed" if fast else "32-true"


def _device(accelerator: str) -> str:
    """What Lightning takes for the name of an accelerator."""
    if accelerator not in ("auto", "gpu"):
        return accelerator
    if torch.backends.mps.is_available():
        return "mps"
    return "cuda" if torch.cuda.is_available() or accelerator == "gpu" else "cpu"
