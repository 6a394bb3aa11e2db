"""The contract of a tuner: which parameters of an encoder are trained, and what is injected to train."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from refsam_zoo.registry import Registry

Encoder = TypeVar("Encoder", bound=nn.Module)


class Tuner:
    """Prepares an encoder for training: freezes what stays, injects what is trained.

    A tuner holds options only; `apply` changes the encoder in place. Afterwards `requires_grad` of the encoder's
    parameters says exactly what is trained.
    """

    def apply(self, encoder: Encoder) -> Encoder:
        """Freezes and injects in place.

        Args:
            encoder: An `ImageEncoder` or `TextEncoder`.

        Returns:
            The same encoder.

        Raises:
            InputError: Nothing in the encoder matches what the tuner tunes.
        """
        raise NotImplementedError


TUNERS: Registry[Tuner] = Registry("tuner")
