"""Weights that are spread over the GPUs of a run, each of which then holds a part of every tensor (FSDP2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

from refsam_zoo.errors import InputError

STEPS = ("training_step", "validation_step", "test_step", "predict_step")


def shard(module: LightningModule, encoders: Iterable[nn.Module], mesh: DeviceMesh) -> None:
    """Spreads all parameters, frozen ones too, evenly over the processes of a mesh.

    The blocks of the encoders are gathered one at a time, when they compute, and let go again; what is left is gathered
    for a whole step.

    Args:
        module: What is trained, on the CPU or its device; changed in place.
        encoders: Those of its parts whose blocks are worth it.
        mesh: The processes, in one dimension.

    Raises:
        InputError: A single number is learned, of which no process can hold a part.
    """
    single = _single_numbers(module)
    for encoder in encoders:
        for block in _blocks(encoder):
            fully_shard(block, mesh=mesh)
    fully_shard(module, mesh=mesh, ignored_params=single)
    for step in STEPS:
        register_fsdp_forward_method(module, step)


def gather_once(module: LightningModule) -> None:
    """Makes the tensors that weights are gathered into, which PyTorch keeps.

    Those made in a validation, in inference mode, could not be written to in training.
    """
    for part in module.modules():  # the whole before its blocks
        if isinstance(part, FSDPModule):
            part.unshard()
            part.reshard()


def require_sharded(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Makes sure that a sharded run can go on from a checkpoint.

    Lightning numbers an optimiser's parameters by their place in the module where it shards, else by that in the
    optimiser, and knows no way from the latter to the former.

    Args:
        checkpoint: What is in the file.
        path: Where it comes from, for the message.

    Raises:
        InputError: It was written by a run that was not sharded.
    """
    for state in checkpoint.get("optimizer_states", ()):
        numbers = [number for group in state["param_groups"] for number in group["params"]]
        if numbers == list(range(len(numbers))):
            raise InputError(
                f"{path}: the run was not sharded, and its optimiser's state cannot be spread; go on without "
                "--trainer.strategy ModelParallelStrategy, or start a new run from its weights (--model.weights)"
            )


def _blocks(module: nn.Module) -> Iterator[nn.Module]:
    """Yields the layers of which there are several, one after the other."""
    for part in module.children():
        yield from part if isinstance(part, nn.ModuleList) else _blocks(part)


def _single_numbers(module: nn.Module) -> set[nn.Parameter]:
    """Finds the parameters without axes, which stay whole; none may learn, as nobody would add up their gradients."""
    single = {name: part for name, part in module.named_parameters() if part.ndim == 0}
    learned = [name for name, part in single.items() if part.requires_grad]
    if learned:
        raise InputError(
            f"--trainer.strategy: {', '.join(learned)} cannot be spread over processes, being single numbers; take "
            "ddp, or with alignment.* --model.alignment.weight 0"
        )
    return set(single.values())
