"""Where and how precisely to compute: chosen in one place for everything that runs a model."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from refsam_zoo.errors import InputError

Precision = Literal["32-true", "bf16-mixed"]


def choose_device(name: str = "auto") -> torch.device:
    """Gives the device of a name; "auto" takes a GPU where there is one.

    Raises:
        InputError: There is no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device {name}: {reason}; use auto, cpu or cuda") from error
    return device


def default_precision(device_type: str) -> Precision:
    """Gives bf16-mixed where the hardware computes bfloat16: a recent GPU, or a processor with AMX; else 32-true.

    Args:
        device_type: "cuda", "cpu", ...
    """
    if device_type == "cuda":
        # looked at first, since the question for bfloat16 fails without a GPU
        fast = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # older releases of PyTorch cannot tell
        fast = device_type == "cpu" and getattr(torch.cpu, "_is_amx_tile_supported", bool)()
    return "bf16-mixed" if fast else "32-true"


def computing_in(device: torch.device, precision: Precision | None = None) -> AbstractContextManager[object]:
    """Computes in a precision inside a `with` block, as Lightning's trainer does; None takes the default."""
    mixed = (precision or default_precision(device.type)) == "bf16-mixed"
    return torch.autocast(device.type, torch.bfloat16) if mixed else nullcontext()
