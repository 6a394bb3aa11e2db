import pytest
import torch
from lightning.pytorch.accelerators import Accelerator, CPUAccelerator, CUDAAccelerator

from refsam_zoo.training.precision import default_precision

MACHINES = {
    "plain": {},
    "amx": {"amx"},
    "recent_gpu": {"cuda", "bf16"},
    "recent_gpu_and_amx": {"cuda", "bf16", "amx"},
    "old_gpu": {"cuda"},
    "old_gpu_and_amx": {"cuda", "amx"},
    "mac": {"mps"},
}
BFLOAT16 = {
    "auto": {"amx", "recent_gpu", "recent_gpu_and_amx"},
    "cpu": {"amx", "recent_gpu_and_amx", "old_gpu_and_amx"},
    "gpu": {"recent_gpu", "recent_gpu_and_amx"},
    "cuda": {"recent_gpu", "recent_gpu_and_amx"},
    "mps": set(),
    "tpu": set(),
}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("accelerator", [*BFLOAT16, CPUAccelerator(), CUDAAccelerator()], ids=str)
def test_precision_follows_the_accelerator_of_the_run(
    accelerator: str | Accelerator, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    has = MACHINES[machine]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in has)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: "bf16" in has)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in has)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: "amx" in has)
    fast = machine in BFLOAT16[accelerator if isinstance(accelerator, str) else accelerator.name()]
    assert default_precision(accelerator) == ("bf16-mixed" if fast else "32-true")
