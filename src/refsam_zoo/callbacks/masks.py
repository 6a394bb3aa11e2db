"""A Lightning callback that writes the masks of `refsam-zoo test` and `refsam-zoo predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from refsam_zoo.inference.mask_folder import MaskFolder
from refsam_zoo.output_files import require_empty
from refsam_zoo.types import ClipBatch


def write_batch(folder: MaskFolder, predictions: Tensor, batch: ClipBatch) -> None:
    """Hands the masks of a batch, bool `[N, T, H, W]`, to a folder, without padding and repeated clips."""
    masks = predictions.cpu().numpy()
    row = 0
    for clip, (height, width) in zip(batch.clips, batch.sizes, strict=True):
        for referral in clip.referrals:
            # A clip that is shorter than its batch is padded in time as well.
            for mask, frame in zip(masks[row, :, :height, :width], clip.frame_names, strict=False):
                if not clip.repeated:
                    folder.write(referral.video_id, referral.expression_id, frame, mask)
            row += 1


class MaskWriter(Callback):
    """Writes the predicted masks of a data set as `<folder>/<video>/<expression>/<frame>.png`, indexed PNG.

    Of several test sets the first is written: the others may ask about the same videos with other sentences.

    Args:
        folder: Where the masks go, empty or not there yet; None means `masks` in the run's folder.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        folder = None if folder is None else Path(folder)
        self.folder = folder
        self._masks: MaskFolder | None = None

    def _open(self, trainer: Trainer) -> None:
        folder = self.folder or Path(trainer.default_root_dir) / "masks"
        # Every process looks before any of them writes, so that all of them stop or none.
        require_empty(folder)
        trainer.strategy.barrier()
        self._masks = MaskFolder(folder)

    def _write(self, predictions: dict[str, Any], batch: ClipBatch, dataloader_idx: int) -> None:
        if dataloader_idx != 0 or self._masks is None:
            return
        write_batch(self._masks, predictions["predictions"], batch)

    def _close(self) -> None:
        if self._masks is not None:
            self._masks.close()
            self._masks = None

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks the folder.

        Raises:
            InputError: It holds something.
        """
        self._open(trainer)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks the folder, as `on_test_start`."""
        self._open(trainer)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: ClipBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Hands the batch's masks, `outputs["predictions"]` bool `[N, T, H, W]`, to the writing threads."""
        self._write(outputs, batch, dataloader_idx)

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: ClipBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Hands the batch's masks to the writing threads, as `on_test_batch_end`."""
        self._write(outputs, batch, dataloader_idx)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Waits until everything is on disk."""
        self._close()

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Waits until everything is on disk."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Lets the masks that were handed over reach the disk."""
        if self._masks is not None:
            self._masks.__exit__(type(exception), exception, None)
            self._masks = None
