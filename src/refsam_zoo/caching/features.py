"""Image and text features of frozen encoders, from disk where they are there, else computed and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from refsam_zoo.caching.entries import EntryFolder
from refsam_zoo.caching.fingerprint import fingerprint, tensor_bytes
from refsam_zoo.errors import InputError
from refsam_zoo.model.feature_source import ComputedFeatures
from refsam_zoo.model.image_encoders import ImageEncoder
from refsam_zoo.model.text_encoders import TextEncoder
from refsam_zoo.number_types import PositiveFloat
from refsam_zoo.private_parts.pytorch import times_written
from refsam_zoo.types import ImageFeatures, TextFeatures, Tokens, to_device


@dataclass(frozen=True)
class CacheOptions:
    """Where features of frozen encoders are kept."""

    folder: str | Path | None = None
    """Folder of the feature cache; none is used if not given."""

    gigabytes: PositiveFloat = 100.0
    """Size limit in 10^9 bytes; what was unused for longest goes first."""


class FeatureCache:
    """Computes the features of each frame and each sentence once per encoder.

    A key is a hash of the encoder's fingerprint, the precision it computes in and the input itself, so nothing stale or
    foreign can be found. Image features are kept as bfloat16 and rounded to it when they are first computed too: a run
    has the same losses whether it finds them or not. Text features are kept as they are.

    It stands in for `model.feature_source.ComputedFeatures`: `model.features = FeatureCache(...)`.

    Args:
        entries: Where they are kept.

    Attributes:
        hits: Frames and sentences found.
        misses: Frames and sentences computed.
    """

    def __init__(self, entries: EntryFolder) -> None:
        self.entries = entries
        self.hits = 0
        self.misses = 0
        self._fingerprints: dict[int, tuple[list[tuple[Tensor, int]], str]] = {}

    @torch.no_grad()
    def images(self, encoder: ImageEncoder, frames: Tensor, sizes: Sequence[tuple[int, int]]) -> ImageFeatures:
        """Encodes frames.

        Args:
            encoder: A frozen encoder.
            frames: RGB, uint8 `[B, 3, H, W]`, padded at the bottom and right; on the CPU nothing waits for a GPU.
            sizes: B pairs of height and width before padding.

        Returns:
            Features as of `ImageEncoder.forward`, in the dtype of the encoder's weights, rounded to bfloat16.
        """
        target = next(encoder.parameters())
        identity = self._identity(encoder, target.device.type)
        content = [frame[:, :height, :width] for frame, (height, width) in zip(frames, sizes, strict=True)]
        keys = [_key(identity, frame) for frame in content]
        found = {key: self.entries.read(key) for key in dict.fromkeys(keys)}
        missing = [keys.index(key) for key, entry in found.items() if entry is None]
        self._count(keys, missing)
        if missing:
            computed = ComputedFeatures().images(encoder, frames[missing], [sizes[row] for row in missing])
            all_maps = (computed.final, *computed.intermediate, *computed.fine)
            maps = [part.to(torch.bfloat16).cpu() for part in all_maps]
            for row, parts in zip(missing, zip(*maps, strict=True), strict=True):
                found[keys[row]] = entry = {str(index): part for index, part in enumerate(parts)}
                self.entries.write(keys[row], entry)
        entries = [found[key] or {} for key in keys]
        names = sorted(entries[0], key=int)
        stacked = [to_device(torch.stack([entry[name] for entry in entries]), target.device) for name in names]
        final, *others = [part.to(target.dtype) for part in stacked]
        fine = len(others) - len(encoder.fine_widths)
        return ImageFeatures(final, others[:fine], others[fine:])

    def text(self, encoder: TextEncoder, tokens: Tokens) -> TextFeatures:
        """Encodes sentences.

        Args:
            encoder: A frozen encoder; a trained one is run, and nothing kept.
            tokens: N sentences, padded on the right.

        Returns:
            Features as of `TextEncoder.forward`, zero at padding.
        """
        return ComputedFeatures().text(encoder, tokens) if _is_trained(encoder) else self._kept_text(encoder, tokens)

    @torch.no_grad()
    def _kept_text(self, encoder: TextEncoder, tokens: Tokens) -> TextFeatures:
        device = next(encoder.parameters()).device
        identity = self._identity(encoder, device.type)
        keys = [_key(identity, ids[real]) for ids, real in zip(*tokens, strict=True)]
        found = [self.entries.read(key) for key in keys]
        missing = [row for row, entry in enumerate(found) if entry is None]
        self._count(keys, missing)
        if missing:
            computed = ComputedFeatures().text(encoder, Tokens(*(part[missing] for part in tokens)))
            for row, words, real in zip(missing, computed.words.cpu(), tokens.mask[missing], strict=True):
                found[row] = entry = {"words": words[real], "mask": real[: int(real.sum())]}
                self.entries.write(keys[row], entry)
        padded = [
            nn.utils.rnn.pad_sequence([(entry or {})[name] for entry in found], batch_first=True)
            for name in ("words", "mask")
        ]
        return TextFeatures(*(to_device(part, device) for part in padded))

    def _count(self, keys: Sequence[str], missing: Sequence[int]) -> None:
        self.misses += len(missing)
        self.hits += len(keys) - len(missing)

    def _identity(self, encoder: nn.Module, device: str) -> str:
        """Fingerprint and precision; the fingerprint is taken anew when a weight was replaced or written to."""
        weights = [(tensor, times_written(tensor)) for tensor in encoder.state_dict(keep_vars=True).values()]
        known, _ = self._fingerprints.get(id(encoder), ([], ""))
        if len(known) != len(weights) or any(
            a is not b or m != n for (a, m), (b, n) in zip(known, weights, strict=True)
        ):
            self._fingerprints[id(encoder)] = weights, fingerprint(encoder)
        mixed = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
        precision = torch.get_autocast_dtype(device) if mixed else "full"
        return f"{self._fingerprints[id(encoder)][1]} {precision}"


def _is_trained(encoder: nn.Module) -> bool:
    """Whether something in an encoder is trained, so that its features do not stay the same."""
    return any(parameter.requires_grad for parameter in encoder.parameters())


def require_frozen(encoder: nn.Module) -> None:
    """Makes sure that the features of an encoder stay the same.

    Raises:
        InputError: Something in it is trained.
    """
    if _is_trained(encoder):
        raise InputError(
            f"the feature cache needs a frozen image encoder, but {type(encoder).__name__} is trained; use "
            "--model.tuner frozen, or no cache"
        )


def _key(identity: str, content: Tensor) -> str:
    digest = hashlib.blake2b(f"{identity} {tuple(content.shape)}".encode(), digest_size=20)
    digest.update(tensor_bytes(content))
    return digest.hexdigest()
