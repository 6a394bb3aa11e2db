from __future__ import annotations

import pytest
import torch

from refsam_zoo.errors import InputError
from refsam_zoo.precision import choose_device, computing_in, default_precision


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
