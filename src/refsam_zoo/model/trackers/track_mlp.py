"""The paper's Implicit Tracking: the decoder's mask token of one frame becomes a prompt token of the next."""

from __future__ import annotations

from torch import Tensor, nn

from refsam_zoo.model.trackers.base import TRACKERS, Tracker
from refsam_zoo.number_types import Width
from refsam_zoo.registry import ModelCard


@TRACKERS.register(ModelCard("RefSAM", paper="2307.00997"))
class track_mlp(Tracker):
    """The paper's Implicit Tracking Module: a three-layer MLP on the mask token.

    Args:
        width: Channels of the embedding space; None means the image encoder's.
    """

    def __init__(self, width: Width | None = None) -> None:
        super().__init__()
        self.take_width(width)

    def make_layers(self, width: int) -> None:
        """Makes the MLP; see `FollowsEmbedding.make_layers`."""
        layers = [nn.Linear(width, width) for _ in range(3)]
        self.layers = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])

    def forward(self, mask_token: Tensor, track_token: Tensor | None, image: Tensor) -> Tensor:
        """Projects the mask token; see `Tracker.forward`."""
        return self.layers(mask_token)
