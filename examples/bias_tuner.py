"""A tuner of your own in one file: trains the biases of an encoder only (BitFit, arXiv 2106.10199).

    PYTHONPATH=examples refsam-zoo fit --config configs/vit_b.yaml --model.tuner bias_tuner.BiasTuner

A tuner gets an encoder and says what of it is trained; it may also replace or add layers, as tuner `adapter` does.
"""

from __future__ import annotations

from torch import nn

from refsam_zoo.errors import InputError
from refsam_zoo.model.tuners import Tuner


class BiasTuner(Tuner):
    """Trains every bias and nothing else.

    Args:
        norms: Train the biases of normalisation layers too.
    """

    def __init__(self, norms: bool = True) -> None:
        self.norms = norms

    def inject(self, encoder: nn.Module) -> None:
        """Freezes all but the biases; see `Tuner.inject`."""
        encoder.requires_grad_(False)
        biases = [
            module.bias
            for module in encoder.modules()
            if isinstance(getattr(module, "bias", None), nn.Parameter)
            and (self.norms or not isinstance(module, (nn.LayerNorm, nn.GroupNorm)))
        ]
        if not biases:
            raise InputError(f"{type(encoder).__name__} has no bias to train; use tuner 'full' or 'lora'")
        for bias in biases:
            bias.requires_grad_(True)
