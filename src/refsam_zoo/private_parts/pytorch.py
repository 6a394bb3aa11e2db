"""What PyTorch does not publish: names with an underscore, and what its messages say."""

from __future__ import annotations

import re

import torch
from torch import Tensor


def has_matrix_tiles() -> bool:
    """Says whether the processor has AMX, which multiplies bfloat16 faster than float32."""
    ask = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return ask is not None and ask()


def times_written(tensor: Tensor) -> int:
    """Counts the in-place changes of a tensor, those without gradients too."""
    return tensor._version


def unscale_before_step(optimizer: torch.optim.Optimizer) -> None:
    """Has gradients unscaled before the step, not in it as a fused optimiser can: Lightning would not clip them."""
    optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]


def uncompiled_name(name: str) -> str:
    """Gives the name that a parameter of a compiled module has without `torch.compile`."""
    return re.sub(r"(^|\.)_orig_mod\.", r"\1", name)


def is_lost_worker(error: RuntimeError) -> bool:
    """Tells the end of a data loader's process, raised wherever the run happens to be, from other errors."""
    return str(error).startswith("DataLoader worker")


def blocked_type(error: Exception) -> str | None:
    """Names the type for which `torch.load(weights_only=True)` refused a file, if that was the reason."""
    found = re.search(r"GLOBAL\s+([\w.]+)", str(error))
    return found[1] if found else None
