"""What the callbacks that look at predictions share: when they are asked, and how a batch is taken apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import RunningStage
from torch import Tensor

from refsam_zoo.types import Clip, ClipBatch


class PredictedClip(NamedTuple):
    """A clip at its own size.

    Attributes:
        clip: Names and tags of the clip.
        frames: uint8 `[T, 3, H, W]`.
        predictions: bool `[E, T, H, W]`, one for each of the clip's referrals.
        masks: The truth, as `predictions`; None without ground truth.
        scores: How sure the module is of each mask, float `[E, T]`; None of a module that does not say.
    """

    clip: Clip
    frames: Tensor
    predictions: Tensor
    masks: Tensor | None
    scores: Tensor | None


class PredictionCallback(Callback):
    """Looks at what a module predicts of each clip.

    The module's steps return `{"predictions": bool [N, T, H, W]}` at the size of the batch's masks, and if they have
    any, `"scores": float [N, T]`; the batch is a `ClipBatch`. A subclass names the stages it looks at and says what is
    done at their start, with each clip and at their end; what it logs, it logs at the end.
    """

    stages: ClassVar[tuple[RunningStage, ...]] = ()

    def start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Makes ready for the clips of a stage."""

    def add(self, trainer: Trainer, predicted: PredictedClip, subset: int) -> None:
        """Takes a clip of a subset, the position of its dataloader."""

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Makes something of the clips of a stage."""

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts, in the stages that are looked at."""
        if trainer.state.stage in self.stages:
            self.start(trainer, pl_module)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: ClipBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Hands on the clips of a batch, in the stages that are looked at."""
        if trainer.state.stage in self.stages:
            for predicted in predicted_clips(outputs["predictions"], batch, outputs.get("scores")):
                self.add(trainer, predicted, dataloader_idx)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finishes, in the stages that are looked at."""
        if trainer.state.stage in self.stages:
            self.finish(trainer, pl_module)

    on_test_start = on_predict_start = on_validation_start
    on_test_batch_end = on_predict_batch_end = on_validation_batch_end
    on_test_epoch_end = on_predict_epoch_end = on_validation_epoch_end


def predicted_clips(predictions: Tensor, batch: ClipBatch, scores: Tensor | None = None) -> Iterator[PredictedClip]:
    """Takes a batch apart into the clips that count, without repeated ones and without padding in space and time.

    Args:
        predictions: bool `[N, T, H, W]`.
        batch: What was predicted.
        scores: float `[N, T]`, if there are any.
    """
    for position, (clip, (height, width)) in enumerate(zip(batch.clips, batch.sizes, strict=True)):
        if not clip.repeated:
            length = len(clip.frame_names)
            own = (batch.rows(position), slice(length), slice(height), slice(width))
            masks = None if batch.masks is None else batch.masks[own]
            frames = batch.frames[position, :length, :, :height, :width]
            yield PredictedClip(clip, frames, predictions[own], masks, None if scores is None else scores[own[:2]])
