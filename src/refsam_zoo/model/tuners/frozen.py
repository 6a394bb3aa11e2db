"""Nothing is trained."""

from __future__ import annotations

from torch import nn

from refsam_zoo.model.tuners.base import TUNERS, Tuner
from refsam_zoo.registry import ModelCard


@TUNERS.register(ModelCard("frozen"))
class frozen(Tuner):
    """Trains nothing; encoders then stay in evaluation mode, so their dropout is off in training too."""

    def inject(self, encoder: nn.Module) -> None:
        """Freezes every parameter; see `Tuner.inject`."""
        encoder.requires_grad_(False).eval()
