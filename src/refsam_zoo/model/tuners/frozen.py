"""Nothing is trained."""

from __future__ import annotations

from refsam_zoo.model.tuners.base import TUNERS, Encoder, Tuner
from refsam_zoo.registry import ModelCard


@TUNERS.register(ModelCard("frozen"))
class frozen(Tuner):
    """Trains nothing; encoders then stay in evaluation mode, so their dropout is off in training too."""

    def apply(self, encoder: Encoder) -> Encoder:
        """Freezes every parameter; see `Tuner.apply`."""
        return encoder.requires_grad_(False).eval()
