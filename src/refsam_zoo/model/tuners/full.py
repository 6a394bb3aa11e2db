"""Everything is trained."""

from __future__ import annotations

from refsam_zoo.model.tuners.base import TUNERS, Encoder, Tuner
from refsam_zoo.registry import ModelCard


@TUNERS.register(ModelCard("full fine-tuning"))
class full(Tuner):
    """Trains every parameter of the encoder."""

    def apply(self, encoder: Encoder) -> Encoder:
        """Makes every parameter trainable; see `Tuner.apply`."""
        return encoder.requires_grad_(True)
