"""Everything is trained."""

from __future__ import annotations

from torch import nn

from refsam_zoo.model.tuners.base import TUNERS, Tuner
from refsam_zoo.registry import ModelCard


@TUNERS.register(ModelCard("full fine-tuning"))
class full(Tuner):
    """Trains every parameter of the encoder."""

    def inject(self, encoder: nn.Module) -> None:
        """Makes every parameter trainable; see `Tuner.inject`."""
        encoder.requires_grad_(True)
