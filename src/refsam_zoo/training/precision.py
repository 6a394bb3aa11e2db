"""The precision of a run that asks for none."""

from __future__ import annotations

import torch
from lightning.pytorch.accelerators import Accelerator

from refsam_zoo import precision


def default_precision(accelerator: str | Accelerator) -> precision.Precision:
    """Chooses bfloat16 where the device that computes has it in hardware: a recent GPU, or a CPU with AMX.

    Args:
        accelerator: The trainer's `accelerator`; what `auto` and `gpu` stand for is looked up on this machine.
    """
    name = accelerator if isinstance(accelerator, str) else accelerator.name()
    return precision.default_precision(_device(name))


def _device(accelerator: str) -> str:
    """What Lightning takes for the name of an accelerator."""
    if accelerator not in ("auto", "gpu"):
        return accelerator
    if torch.backends.mps.is_available():
        return "mps"
    return "cuda" if torch.cuda.is_available() or accelerator == "gpu" else "cpu"
