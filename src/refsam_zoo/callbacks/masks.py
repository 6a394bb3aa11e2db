"""A Lightning callback that writes the masks of `refsam-zoo test` and `refsam-zoo predict`."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.trainer.states import RunningStage

from refsam_zoo.callbacks.base import PredictedClip, PredictionCallback
from refsam_zoo.data_modules.base import ReferringDataModule
from refsam_zoo.inference.mask_folder import MaskFolder
from refsam_zoo.output_files import require_empty, write_whole
from refsam_zoo.text_tables import format_csv


def write_clip(folder: MaskFolder, predicted: PredictedClip) -> None:
    """Hands the masks of a clip to a folder."""
    clip = predicted.clip
    for referral, masks in zip(clip.referrals, predicted.predictions.cpu().numpy(), strict=True):
        for frame, mask in zip(clip.frame_names, masks, strict=True):
            folder.write(referral.video_id, referral.expression_id, frame, mask)


def write_table(folder: Path, data: ReferringDataModule) -> None:
    """Writes the table of the sentences that were predicted, if the masks lie inside the folder of the data set."""
    root = data.root.resolve()
    if not folder.resolve().is_relative_to(root):
        return
    inside = folder.resolve().relative_to(root)
    rows = [
        (
            referral.source.path.relative_to(data.root).as_posix(),
            referral.expression,
            (inside / referral.video_id / referral.expression_id).as_posix(),
        )
        for referral in data.referrals("predict")
        if referral.source.path.is_relative_to(data.root)
    ]
    write_whole(folder / "annotations.csv", format_csv([("video", "expression", "mask"), *rows]))


class MaskWriter(PredictionCallback):
    """Writes the predicted masks of a data set as `<folder>/<video>/<expression>/<frame>.png`, indexed PNG.

    Of several test sets the first is written: the others may ask about the same videos with other sentences. A folder
    inside the data set's gets after `predict` the table `annotations.csv` beside the masks, with which
    `ReferringFolder` reads them as ground truth (its option `table`).

    Args:
        folder: Where the masks go, empty or not there yet; None means `masks` in the run's folder.
    """

    stages = (RunningStage.TESTING, RunningStage.PREDICTING)

    def __init__(self, folder: str | Path | None = None) -> None:
        folder = None if folder is None else Path(folder)
        self.folder = folder
        self._masks: MaskFolder | None = None

    def start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checks the folder.

        Raises:
            InputError: It holds something.
        """
        folder = self.folder or Path(trainer.default_root_dir) / "masks"
        # Every process looks before any of them writes, so that all of them stop or none.
        require_empty(folder)
        trainer.strategy.barrier()
        self._masks = MaskFolder(folder)

    def add(self, trainer: Trainer, predicted: PredictedClip, subset: int) -> None:
        """Hands the masks of a clip to the writing threads."""
        if subset == 0 and self._masks is not None:
            write_clip(self._masks, predicted)

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Waits until everything is on disk."""
        if self._masks is None:
            return
        self._masks.close()
        data = getattr(trainer, "datamodule", None)
        if trainer.predicting and trainer.is_global_zero and isinstance(data, ReferringDataModule):
            write_table(self._masks.folder, data)
        self._masks = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Lets the masks that were handed over reach the disk."""
        if self._masks is not None:
            self._masks.__exit__(type(exception), exception, None)
            self._masks = None
