"""Predictions as pictures, for loggers that show such."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger, WandbLogger
from lightning.pytorch.trainer.states import RunningStage, TrainerFn
from PIL import Image

from refsam_zoo.callbacks.base import PredictedClip, PredictionCallback
from refsam_zoo.evaluation.examples import Example, middle_examples
from refsam_zoo.evaluation.figures import draw_examples

NAME = "val/predictions"
"""Name under which loggers show the pictures."""

_FRAMES = 4


class ValidationPictures(PredictionCallback):
    """Gives a picture of some predictions to W&B and TensorBoard after every validation of a training run.

    It shows the middle frame of the first expressions that the first process sees in the main subset, with the outlines
    of prediction and truth: the same ones every time, so that they can be compared.
    """

    stages = (RunningStage.VALIDATING,)

    def __init__(self) -> None:
        self._examples: list[Example] = []
        self._loggers: list[Logger] = []

    def start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Finds out who wants pictures."""
        wanted = trainer.is_global_zero and trainer.state.fn == TrainerFn.FITTING
        self._loggers = [each for each in trainer.loggers if isinstance(each, WandbLogger | TensorBoardLogger)]
        self._loggers, self._examples = self._loggers if wanted else [], []

    def add(self, trainer: Trainer, predicted: PredictedClip, subset: int) -> None:
        """Keeps the first ones."""
        clip, frames, predictions, masks, _ = predicted
        if self._loggers and subset == 0 and masks is not None and len(self._examples) < _FRAMES:
            self._examples += middle_examples(clip, frames, predictions, masks)

    def finish(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws them and hands them out."""
        if not self._examples:
            return
        with TemporaryDirectory() as folder:
            path = Path(folder) / "predictions.png"
            draw_examples([("", self._examples[:_FRAMES])], path)
            picture = np.asarray(Image.open(path).convert("RGB"))
        for logger in self._loggers:
            if isinstance(logger, WandbLogger):
                logger.log_image(NAME, [picture], trainer.global_step)
            elif isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(NAME, picture, trainer.global_step, dataformats="HWC")
