"""What identifies an encoder: all that its output depends on beside its input."""

from __future__ import annotations

import hashlib
from importlib.metadata import version

import torch
from torch import Tensor, nn

_PLAIN = (bool, int, float, str, type(None))
_PREPROCESSING = ("image_size", "stride", "pixel_mean", "pixel_std", "max_tokens", "pad_id")


def fingerprint(encoder: nn.Module) -> str:
    """Hashes the release, the layers with their options, the preprocessing and all weights: 64 hexadecimal digits.

    Options are attributes that are numbers, texts, or tuples of them, for instance `num_heads` or `window_size`, which
    no weight shows. Whether a module trains, or its weights require gradients, makes no difference.
    """
    digest = hashlib.sha256(version("refsam-zoo").encode())
    for name, module in encoder.named_modules():
        digest.update(f"{name}: {type(module).__module__}.{type(module).__qualname__} {_options(module)}\n".encode())
    preprocessing = {name: getattr(encoder, name) for name in _PREPROCESSING if hasattr(encoder, name)}
    digest.update(repr(preprocessing).encode())
    for name, tensor in encoder.state_dict().items():
        digest.update(f"{name}: {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor_bytes(tensor))
    return digest.hexdigest()


def tensor_bytes(tensor: Tensor) -> bytes:
    """Gives the bytes of a tensor of any dtype, in row-major order."""
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _options(module: nn.Module) -> list[tuple[str, object]]:
    options = {name: value for name, value in vars(module).items() if not name.startswith("_") and name != "training"}
    return sorted((name, value) for name, value in options.items() if _is_plain(value))


def _is_plain(value: object) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, tuple) and all(map(_is_plain, value)))
