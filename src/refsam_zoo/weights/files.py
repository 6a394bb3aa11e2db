"""Reading weights files and putting them into modules: verified, strict, and all or nothing."""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from refsam_zoo.errors import InputError
from refsam_zoo.private_parts.pytorch import uncompiled_name
from refsam_zoo.weights.reading import read_content

_logger = logging.getLogger(__name__)

StateDict = dict[str, Tensor]

_WRAPPERS = (
    "state_dict",
    "model",
    "model_state_dict",
    "module",
    "network",
    "net",
    "ema",
    "model_ema",
    "state_dict_ema",
)
"""Keys under which training programs keep a model beside the rest of their state; the first that is there counts."""

_PREFIXES = ("module.", "model.")
"""What wrappers of a model (data parallelism, a LightningModule) put before all of its names."""

_OF_RUN = "model.image_encoder."
"""How names begin in the checkpoint of a run."""


@dataclass(frozen=True)
class WeightsFile:
    """A published weights file, as data.

    Attributes:
        name: The file's published name.
        sha256: Its SHA-256 in hexadecimal, or as much of the beginning as its publisher gives; None if unknown.
        source: Who publishes it and where to look, without an address.
        licence: SPDX identifier.
    """

    name: str
    sha256: str | None
    source: str
    licence: str

    def load(self, path: str | Path) -> StateDict:
        """Reads `path`; under its published name a file must also have the published hash.

        A file of another name, for instance a fine-tuned model, is taken as it is: its keys and shapes are checked
        where it is loaded.

        Raises:
            InputError: As `load_state_dict`.
        """
        path = Path(path)
        if not path.exists():
            raise InputError(f"{path}: no such weights file; get '{self.name}' from {self.source}")
        return load_state_dict(path, self.sha256 if path.name == self.name else None)


def load_state_dict(path: Path | str, sha256: str | None = None) -> StateDict:
    """Reads the tensors of a weights file without running code from it.

    Args:
        path: A file of safetensors, or of `torch.save` with only tensors, plain values and harmless objects. A state
            dict within others (`state_dict`, `model`, ...) is found, and wrappers before all names (`module.`,
            `model.`, `_orig_mod.`) are taken away; a message says so.
        sha256: What the file's SHA-256 must begin with, in hexadecimal.

    Returns:
        Names and tensors, on the CPU.

    Raises:
        InputError: No such file, another hash, or not a weights file.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such weights file; download it there or give the path of the one you have")
    if sha256 is not None and path.is_file():
        verify_sha256(path, sha256)
    content = read_content(path, "cannot be read as a PyTorch state dict, which is what is needed")
    return _unwrapped(content, path)


def load_into(module: nn.Module, state_dict: StateDict, what: str) -> None:
    """Loads every tensor into its place, or none.

    Args:
        module: Takes the weights.
        state_dict: Exactly the module's names and shapes.
        what: Where the weights come from, for the message: "sam_vit_b_01ec64.pth (image_encoder)".

    Raises:
        InputError: As `require_fit`. The module is unchanged.
    """
    state_dict = with_own_prefix(module.state_dict(), state_dict)
    require_fit(module, state_dict, what)
    module.load_state_dict(state_dict)


def with_own_prefix(own: StateDict, state_dict: StateDict) -> StateDict:
    """Gives back what `load_state_dict` took for a wrapper where a module's own names all begin with it.

    Args:
        own: What is wanted.
        state_dict: What was read.
    """
    prefix = _shared_prefix(own)
    if all(name.startswith(prefix) for name in state_dict):
        return state_dict
    return {prefix + name: tensor for name, tensor in state_dict.items()}


def require_fit(module: nn.Module, state_dict: StateDict, what: str) -> None:
    """Compares names and shapes of weights with those of a module.

    Args:
        module: Would take the weights.
        state_dict: What was read.
        what: Where the weights come from, for the message.

    Raises:
        InputError: As `check_fit`.
    """
    check_fit(module.state_dict(), state_dict, f"{what} does not fit {type(module).__name__}")


def check_fit(own: StateDict, state_dict: StateDict, complaint: str) -> None:
    """Compares names and shapes.

    Args:
        own: What is wanted.
        state_dict: What is given.
        complaint: Beginning of the message.

    Raises:
        InputError: Unknown, missing or differently shaped names, a few of each and their number.
    """
    reshaped = [
        f"{name} {list(tensor.shape)} instead of {list(own[name].shape)}"
        for name, tensor in state_dict.items()
        if name in own and tensor.shape != own[name].shape
    ]
    groups = {
        "missing": [name for name in own if name not in state_dict],
        "unknown": [name for name in state_dict if name not in own],
        "of another shape": reshaped,
    }
    complaints = [enumerate_some(group, names) for group, names in groups.items() if names]
    if complaints:
        of_run = any(name.startswith(_OF_RUN) for name in state_dict) and not any(n.startswith(_OF_RUN) for n in own)
        hint = "; it is the checkpoint of a run, which a model starts from as --model.weights" if of_run else ""
        raise InputError(f"{complaint}: {'; '.join(complaints)}{hint}")


def enumerate_some(what: str, names: list[str], shown: int = 3) -> str:
    """Counts names and shows the first: "5 missing: a, b, c, and 2 more"."""
    more = f", and {len(names) - shown} more" if len(names) > shown else ""
    return f"{len(names)} {what}: {', '.join(names[:shown])}{more}"


def select_prefix(state_dict: StateDict, prefix: str) -> StateDict:
    """Picks the part of a model's state dict that belongs to one component.

    Args:
        state_dict: Names of a whole model, or of the component alone.
        prefix: The component's prefix with its dot: "image_encoder.".

    Returns:
        The tensors under the prefix, their names without it; all tensors where no name has the prefix.
    """
    part = {name.removeprefix(prefix): tensor for name, tensor in state_dict.items() if name.startswith(prefix)}
    return part or state_dict


def verify_sha256(path: Path, sha256: str) -> None:
    """Compares a file's SHA-256 with the beginning it should have.

    Raises:
        InputError: Another hash.
    """
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            hasher.update(chunk)
    digest = hasher.hexdigest()
    if not digest.startswith(sha256):
        raise InputError(
            f"{path}: the SHA-256 begins with {digest[: len(sha256)]}, not {sha256}: "
            "the file is damaged or another one; download it again"
        )


def warn_random_weights(component: str) -> None:
    """Warns, once per component and process, that it starts from random weights.

    Silent within `weights_follow`, and while the default device is "meta", where modules have shapes and no weights.

    Args:
        component: What has no checkpoint, as a user knows it: "image encoder vit_b".
    """
    if torch.get_default_device().type != "meta" and not _weights_follow.get():
        _warn_once("%s: no checkpoint given, its weights are random", component)


_weights_follow = ContextVar("weights_follow", default=False)


@contextmanager
def weights_follow() -> Iterator[None]:
    """Says that whatever is made inside gets its weights from a whole model's checkpoint, so that none is missed."""
    token = _weights_follow.set(True)
    try:
        yield
    finally:
        _weights_follow.reset(token)


def are_weights_to_follow() -> bool:
    """Says whether `weights_follow` is in force, so that reading any would be in vain."""
    return _weights_follow.get()


@functools.cache
def _warn_once(message: str, component: str) -> None:
    _logger.warning(message, component)


def _unwrapped(content: object, path: Path) -> StateDict:
    """Finds the state dict and takes away what wrappers have put before its names; says what was done."""
    state, keys = _find_state_dict(content, path)
    state = {uncompiled_name(name): tensor for name, tensor in state.items()}
    prefix = _shared_prefix(state)
    if prefix or len(keys) > 1:
        read = f"its weights are those of '{'.'.join(keys)}'" if keys else "its weights are read"
        _logger.warning("%s: %s%s", path, read, f", without '{prefix}' before every name" if prefix else "")
    return {name.removeprefix(prefix): tensor for name, tensor in state.items()}


def _find_state_dict(content: object, path: Path) -> tuple[StateDict, list[str]]:
    """Gives a state dict and the keys under which it lies."""
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no state dict (a dictionary of names and tensors)")
    if content and all(isinstance(item, Tensor) for item in content.values()):
        return {str(name): tensor for name, tensor in content.items()}, []
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), dict):
            state, keys = _find_state_dict(content[wrapper], path)
            return state, [wrapper, *keys]
    raise InputError(
        f"{path}: holds no state dict (a dictionary of names and tensors), neither itself nor under "
        f"{', '.join(_WRAPPERS)}; its keys: {', '.join(map(str, list(content)[:8])) or 'none'}"
    )


def _shared_prefix(names: Iterable[str]) -> str:
    """What wrappers put before all of the names: "module.model.", mostly nothing."""
    names, shared = list(names), ""
    while prefix := next((p for p in _PREFIXES if names and all(n.startswith(shared + p) for n in names)), ""):
        shared += prefix
    return shared
