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

    def validation_step(self, batch: ClipBatch, batch_index: int, dataloader_idx: int = 0) -> dict[str, Tensor]:
        """Segments the next window of a video; callbacks score `predictions`, bool `[N, T, H, W]`."""
        predictions, self._state = self.system.window(batch, self._state)
        return {"predictions": predictions}

    test_step = validation_step
    predict_step = validation_step
