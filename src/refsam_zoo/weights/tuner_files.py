"""A tuner's file: only what was trained of an encoder, and which encoder it was trained on."""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import nn

from refsam_zoo.errors import InputError
from refsam_zoo.weights.files import StateDict, check_fit, load_state_dict, with_own_prefix
from refsam_zoo.weights.saving import save_state_dict

_BASE = "base_sha256"


def save_tuned(encoder: nn.Module, path: str | Path) -> None:
    """Writes the trained parameters of an encoder and the fingerprint of its frozen ones.

    Args:
        encoder: An encoder that a tuner was applied to.
        path: A new `.safetensors` file.

    Raises:
        InputError: Nothing is trained, or the file exists or cannot be written.
    """
    path, trained = Path(path), _trained(encoder)
    if not trained:
        raise InputError(f"{path}: nothing to save, no parameter of {type(encoder).__name__} is trained")
    if path.suffix != ".safetensors":
        raise InputError(f"{path}: a tuner's file ends in .safetensors")
    save_state_dict(trained, path, {_BASE: base_fingerprint(encoder)})


def load_tuned(encoder: nn.Module, path: str | Path) -> None:
    """Loads what `save_tuned` wrote onto the same base with the same tuner applied.

    Args:
        encoder: An encoder that a tuner with the same options was applied to.
        path: The file.

    Raises:
        InputError: Not a tuner's file, another tuner, or another base. The encoder is unchanged.
    """
    path, trained = Path(path), _trained(encoder)
    state = with_own_prefix(trained, load_state_dict(path))
    check_fit(trained, state, f"{path} does not fit the tuner of this {type(encoder).__name__}")
    if _saved_fingerprint(path) != base_fingerprint(encoder):
        raise InputError(f"{path}: trained on another {type(encoder).__name__}; load the same base weights first")
    encoder.load_state_dict(state, strict=False)


def base_fingerprint(encoder: nn.Module) -> str:
    """SHA-256, in hexadecimal, over names and values of all parameters that are not trained."""
    digest = hashlib.sha256()
    for name, parameter in sorted(encoder.named_parameters()):
        if not parameter.requires_grad:
            digest.update(name.encode())
            digest.update(parameter.detach().float().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _trained(encoder: nn.Module) -> StateDict:
    return {name: parameter.detach() for name, parameter in encoder.named_parameters() if parameter.requires_grad}


def _saved_fingerprint(path: Path) -> str:
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {})[_BASE]
    except (SafetensorError, KeyError) as error:
        raise InputError(f"{path}: not a tuner's file: it does not say what it was trained on") from error
