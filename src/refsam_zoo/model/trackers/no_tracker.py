"""The ablation without tracking."""

from __future__ import annotations

from torch import Tensor

from refsam_zoo.model.trackers.base import TRACKERS, Tracker
from refsam_zoo.registry import ModelCard


@TRACKERS.register(ModelCard("RefSAM, ablation"))
class no_tracker(Tracker):
    """Every frame on its own."""

    def forward(self, mask_token: Tensor, track_token: Tensor | None, image: Tensor) -> None:
        """Carries nothing; see `Tracker.forward`."""
