"""The two ways of tuning of the released RefSAM code together."""

from __future__ import annotations

from torch import nn

from refsam_zoo.model.tuners.adapter import adapter
from refsam_zoo.model.tuners.base import TUNERS, Tuner
from refsam_zoo.model.tuners.lora import lora
from refsam_zoo.number_types import Width
from refsam_zoo.registry import ModelCard


@TUNERS.register(ModelCard("adapters and LoRA", paper="2307.00997"))
class adapter_lora(Tuner):
    """Adapters in the second half of the blocks and LoRA on every attention output projection.

    The layers of the released code's image encoder with its LoRA flag on. There the adapters stay as initialised;
    here both are trained.

    Args:
        rank: Rank of LoRA's update.
        zero_init: See tuner `adapter`.
    """

    def __init__(self, rank: Width = 4, zero_init: bool = True) -> None:
        self.tuners = (adapter(zero_init), lora(rank))

    def inject(self, encoder: nn.Module) -> None:
        """Freezes the encoder and injects both; see `Tuner.inject`."""
        trained: list[nn.Parameter] = []
        for tuner in self.tuners:
            tuner.inject(encoder)
            trained += [parameter for parameter in encoder.parameters() if parameter.requires_grad]
        for parameter in trained:
            parameter.requires_grad_(True)
