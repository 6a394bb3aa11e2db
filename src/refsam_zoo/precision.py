"""Where and how precisely to compute: chosen in one place for everything that runs a model."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal

from refsam_zoo.errors import InputError

if TYPE_CHECKING:  # imported where something is asked of it: help, which names a `Precision`, needs no PyTorch
    import torch

Precision = Literal["32-true", "bf16-mixed"]


def choose_device(name: str = "auto") -> torch.device:
    """Gives the device of a name; "auto" takes a GPU where there is one.

    Raises:
        InputError: There is no such device.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device {name}: {reason}; use auto, cpu or cuda") from error
    return device


def accelerator_device(accelerator: str) -> str:
    """Gives the type of the device that Lightning takes for the name of an accelerator."""
    if accelerator not in ("auto", "gpu"):
        return accelerator
    import torch

    if torch.backends.mps.is_available():
        return "mps"
    return "cuda" if torch.cuda.is_available() or accelerator == "gpu" else "cpu"


def default_precision(device_type: str) -> Precision:
    """Gives bf16-mixed where the hardware computes bfloat16: a recent GPU, or a processor with AMX; else 32-true.

    Args:
        device_type: "cuda", "cpu", ...
    """
    import torch

    from refsam_zoo.private_parts.pytorch import has_matrix_tiles

    if device_type == "cuda":
        # availability first, since the other question fails without a GPU; the trainer then says what is wrong
        fast = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = device_type == "cpu" and has_matrix_tiles()
    return "bf16-mixed" if fast else "32-true"


def computing_in(device: torch.device, precision: Precision | None = None) -> AbstractContextManager[object]:
    """Computes in a precision inside a `with` block, as Lightning's trainer does; None takes the default."""
    import torch

    mixed = (precision or default_precision(device.type)) == "bf16-mixed"
    return torch.autocast(device.type, torch.bfloat16) if mixed else nullcontext()
