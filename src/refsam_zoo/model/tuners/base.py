"""The contract of a tuner: which parameters of an encoder are trained, and what is injected to train."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from refsam_zoo.recipes import Made
from refsam_zoo.registry import Registry

Encoder = TypeVar("Encoder", bound=nn.Module)


class Tuner(Made):
    """Prepares an encoder for training: freezes what stays, injects what is trained.

    A tuner holds options only; `apply` changes the encoder in place. Afterwards `requires_grad` of the encoder's
    parameters says exactly what is trained. A subclass implements `inject`.
    """

    def apply(self, encoder: Encoder) -> Encoder:
        """Freezes and injects in place; the encoder's fresh parts are trained by every tuner.

        Args:
            encoder: An `ImageEncoder` or `TextEncoder`.

        Returns:
            The same encoder.

        Raises:
            InputError: Nothing in the encoder matches what the tuner tunes.
        """
        self.inject(encoder)
        for part in getattr(encoder, "fresh_parts", ()):
            encoder.get_submodule(part).requires_grad_(True)
        return encoder

    def inject(self, encoder: nn.Module) -> None:
        """Freezes what stays as it is and adds what is trained, in place; raises as `apply`."""
        raise NotImplementedError


TUNERS: Registry[Tuner] = Registry("tuner", ["tuner", "text_tuner"])
