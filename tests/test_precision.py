from __future__ import annotations

import pytest
import torch

from refsam_zoo.errors import InputError
from refsam_zoo.precision import accelerator_device, choose_device, computing_in, default_precision

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
@pytest.mark.parametrize("accelerator", BFLOAT16)
def test_precision_follows_the_accelerator_of_the_run(
    accelerator: str, machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    has = MACHINES[machine]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in has)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: "bf16" in has)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in has)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: "amx" in has)
    fast = machine in BFLOAT16[accelerator]
    assert default_precision(accelerator_device(accelerator)) == ("bf16-mixed" if fast else "32-true")


def test_a_device_that_is_not_there_is_named() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    for name in ("gpu", "cuda:99", "nowhere"):
        with pytest.raises(InputError, match=f"--device {name}"):
            choose_device(name)


def test_the_default_is_what_the_device_computes_in() -> None:
    """Another accelerator than the one there is gets no precision by what this machine can do."""
    assert default_precision("meta") == "32-true"
    expected = torch.bfloat16 if default_precision("cpu") == "bf16-mixed" else torch.float32
    with computing_in(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == expected
    with computing_in(torch.device("cpu"), "bf16-mixed"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
