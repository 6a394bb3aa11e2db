"""The LightningModule of any system: what validation, test and prediction ask of it."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule
from torch import Tensor, nn

from refsam_zoo.systems.base import VideoSegmenter
from refsam_zoo.types import ClipBatch


class SystemModule(LightningModule):
    """A system under Lightning, which moves its weights and chooses the precision.

    Args:
        system: The system.
    """

    model: nn.Module

    def __init__(self, system: VideoSegmenter[Any]) -> None:
        super().__init__()
        self.system = system
        self.model = system.model
        self._state: dict[str, Any] | None = None

    @property
    def score_meaning(self) -> str:
        """What the scores of predictions say, in words."""
        return self.system.score_meaning

    def validation_step(self, batch: ClipBatch, batch_index: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        """Segments the next window of a video.

        Callbacks look at `predictions`, bool `[N, T, H, W]`, and their `scores`, float `[N, T]`.
        """
        found, self._state = self.system.window(batch, self._state)
        return {"predictions": found.masks, "scores": found.scores}

    test_step = validation_step
    predict_step = validation_step
