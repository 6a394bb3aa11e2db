"""The system that a command line names: a checkpoint or an entry of the zoo, on a device."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refsam_zoo.errors import InputError
from refsam_zoo.systems.base import SystemOrMaker, VideoSegmenter

if TYPE_CHECKING:
    import torch


def chosen_system(checkpoint: Path | str | None, system: SystemOrMaker | None, threshold: float = 0.0) -> SystemOrMaker:
    """Gives the one system that is named; its weights are not read yet.

    Args:
        checkpoint: A checkpoint of `refsam-zoo fit` or a folder of `refsam-zoo export`.
        system: A system, or what makes it.
        threshold: With a checkpoint, the logit above which a pixel belongs to the object.

    Raises:
        InputError: None is named, or two are, or a threshold comes with another system than a checkpoint's.
    """
    if (checkpoint is None) == (system is None):
        given = "both were given" if system else "neither was given"
        raise InputError(f"give --checkpoint FILE or --system NAME, which segments the video; {given}")
    if system is None:
        from refsam_zoo.systems.refsam import refsam

        return partial(refsam, str(checkpoint), threshold)
    if threshold:
        raise InputError("--threshold goes with --checkpoint; a system has options of its own: --system.threshold")
    return system


def ready_system(chosen: SystemOrMaker, device: torch.device, compile: bool = False) -> VideoSegmenter[Any]:
    """Makes a system, where it is not made yet, and brings it to a device.

    Args:
        chosen: The system, or what makes it.
        device: Where it is to compute.
        compile: Whether to compile the parts that take the time.

    Raises:
        InputError: Its weights are not there, or not its own.
    """
    system = chosen if isinstance(chosen, VideoSegmenter) else chosen()
    system.model.to(device)
    if compile:
        system.compile()
    return system
