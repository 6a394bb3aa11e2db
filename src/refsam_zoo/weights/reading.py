"""Reading weights files, recognised by their content and not by their names, without running code from them."""

from __future__ import annotations

import argparse
import functools
import pathlib
import pickle
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from refsam_zoo.errors import InputError
from refsam_zoo.private_parts.pytorch import blocked_type

_NOT_A_CHECKPOINT = {
    b"version https://git-lfs": "a Git LFS pointer; fetch the real file with 'git lfs pull'",
    b"<": "an HTML or XML page, so the download went wrong",
    b"{": "JSON text, such as an index of weights files or a server's answer; give the weights file itself",
    b"\x1f\x8b": "a gzip archive; unpack it and give the weights file inside",
    b"\x89HDF": "an HDF5 file, as Keras writes it",
    b"%PDF": "a PDF document",
}
_UNREADABLE = (
    RuntimeError,
    pickle.UnpicklingError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
)
"""What `torch.load` raises at a file that was cut off or is something else; OSError where it seeks before its start."""


def read_content(path: Path, complaint: str) -> Any:
    """Reads what a weights file holds: tensors, and the plain values and harmless objects beside them.

    Args:
        path: A file of safetensors or of `torch.save`, whatever its name ends in.
        complaint: What is said of a file that is neither: "not a readable checkpoint".

    Raises:
        InputError: A folder, something else, damaged, or with objects whose reading could run code.
    """
    if path.is_dir():
        raise InputError(f"{path}: a folder, not a weights file; {_what_to_give(path)}")
    try:
        with path.open("rb") as file:
            beginning = file.read(64)
        if is_safetensors(beginning):
            return load_file(path)
        refuse_impostor(path, beginning)
        with (
            path.open("rb") as file,
            torch.serialization.safe_globals(_harmless_types()),
        ):  # a path's suffix would count
            return torch.load(file, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise InputError(f"{path}: not a complete safetensors file ({error}); download it again") from error
    except InputError:
        raise
    except _UNREADABLE as error:
        raise InputError(f"{path}: {complaint}: {_reason(error)}") from error


def _what_to_give(folder: Path) -> str:
    """Names the checkpoints of a run's folder, or the weights files of another one."""
    found = sorted(folder.glob("checkpoints/*.ckpt")) or sorted(
        path for path in folder.iterdir() if path.suffix in (".ckpt", ".pth", ".pt", ".bin", ".safetensors")
    )
    names = [str(path) for path in found]
    if len(names) > 4:
        names[3:] = [f"{len(names) - 3} more"]
    return f"give one of its files: {', '.join(names)}" if len(names) > 1 else f"give {''.join(names) or 'a file'}"


def is_safetensors(beginning: bytes) -> bool:
    """Whether a file's first bytes are those of safetensors: the length of the header, which is JSON."""
    return beginning[8:9] == b"{"


def refuse_impostor(path: Path, beginning: bytes) -> None:
    """Names what a file is that people take for weights.

    Args:
        path: The file, for the message.
        beginning: Its first 64 bytes.

    Raises:
        InputError: It is empty, or an archive, an HTML page, a Git LFS pointer, ...
    """
    if not beginning.lstrip():
        raise InputError(f"{path}: the file is empty; give another one or download it again")
    for signature, what in _NOT_A_CHECKPOINT.items():
        if beginning.lstrip().startswith(signature):
            raise InputError(f"{path}: not a weights file but {what}")
    if beginning.startswith(b"PK") and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if not any(name.endswith("/data.pkl") for name in names):
            raise InputError(
                f"{path}: not a weights file but a zip archive; unpack it and give the weights file inside"
            )
        if any(name.endswith("/constants.pkl") for name in names):
            raise InputError(f"{path}: a TorchScript program; where it was made, save its state_dict() instead")


def _reason(error: Exception) -> str:
    """Says why a file was refused, in our words: PyTorch's advise its user to run whatever code the file holds."""
    blocked = blocked_type(error)
    if blocked:
        return (
            f"it holds an object of type {blocked}, which is not read since that could run code; "
            "where it was made, save the model's state_dict() alone"
        )
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it is damaged, was cut off, or is something else; write or download it again"


@functools.cache
def _harmless_types() -> list[Any]:
    """Types found beside the tensors of published checkpoints that do no more than hold values.

    Those that a reader may not have, or that another release keeps elsewhere, stand for their names.
    """
    # what makes a number and an array
    numpy: list[Any] = [np.float64(0).__reduce__()[0], np.empty(0).__reduce__()[0]]
    return [
        argparse.Namespace,
        types.SimpleNamespace,
        np.dtype,
        np.ndarray,
        *{type(np.dtype(character)) for character in np.typecodes["All"] if character not in "OV"},
        *((made, f"numpy.{core}.multiarray.{made.__name__}") for made in numpy for core in ("core", "_core")),
        *((dict, f"{module}.AttributeDict") for module in _LIGHTNING),
        *((pathlib.PurePath, f"pathlib.{place}{kind}") for place in ("", "_local.") for kind in _PATHS),
    ]


_LIGHTNING = (
    "lightning.fabric.utilities.data",
    "lightning.pytorch.utilities.parsing",
    "lightning_fabric.utilities.data",
    "pytorch_lightning.utilities.parsing",
)
_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
