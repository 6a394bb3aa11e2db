"""Writing weights files: whole or not at all, and never over another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from refsam_zoo.errors import InputError
from refsam_zoo.output_files import whole_file
from refsam_zoo.weights.files import StateDict

SUFFIXES = (".safetensors", ".pth", ".pt")


def save_state_dict(state_dict: StateDict, path: str | Path, facts: Mapping[str, str] | None = None) -> None:
    """Writes tensors to a new file; makes its folder.

    Args:
        state_dict: Names and tensors.
        path: A `.safetensors`, `.pth` or `.pt` file.
        facts: Written into the header of a `.safetensors` file.

    Raises:
        InputError: The file exists, has another suffix, or cannot be written.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: a weights file ends in {', '.join(SUFFIXES)}")
    if path.exists():
        raise InputError(f"{path} exists already; give another name or remove it first")
    try:
        with whole_file(path) as unfinished:
            _write(state_dict, unfinished, facts)
    except (RuntimeError, SafetensorError) as error:  # torch and safetensors report a full disk their own way
        raise InputError(f"{path} cannot be written: {error.__context__ or error}") from error


def _write(state_dict: StateDict, path: Path, facts: Mapping[str, str] | None) -> None:
    if path.suffix != ".safetensors":
        with path.open("wb") as file:  # torch's own file would not say that the disk is full
            torch.save(state_dict, file)
        return
    # safetensors refuses tensors that share memory, as tied weights do
    save_file(
        {name: tensor.detach().clone().contiguous() for name, tensor in state_dict.items()}, path, dict(facts or {})
    )
