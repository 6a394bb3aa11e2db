"""Parts as a user writes them, in a module of the user's own."""

from __future__ import annotations

import json
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from torch.distributed.tensor import DTensor

from refsam_zoo.model.image_encoders.vit_tiny import vit_tiny
from refsam_zoo.model.trackers.track_mlp import track_mlp


class SmallerEncoder(vit_tiny):
    """Passes options on."""

    def __init__(self, image_size: int = 64) -> None:
        super().__init__(image_size=image_size)


class WithObject(track_mlp):
    """Takes what no checkpoint can describe."""

    def __init__(self, thing: object) -> None:
        super().__init__()
        self.thing = str(thing)


class Witness(Callback):
    """Writes into the run's folder what this process was told, a file for each."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        tuner = pl_module.hparams["tuner"]
        told = {
            "tuner": tuner["class_path"].rpartition(".")[2],
            "rank": tuner["init_args"].get("rank"),
            "mask_decoder": pl_module.hparams["learning_rates"]["mask_decoder"],
            "augmented": trainer.datamodule.augmentation is not None,
            "detect_anomaly": trainer._detect_anomaly,
        }
        folder = Path(trainer.default_root_dir)
        (folder / f"rank{trainer.global_rank}.json").write_text(json.dumps(told))


class Shares(Callback):
    """Writes how many numbers of the weights this process holds, and how many there are, a file for each process."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        parts = {"frozen": False, "trained": True}
        told = {name: {"held": 0, "whole": 0} for name in parts}
        for name, learns in parts.items():
            for part in (part for part in pl_module.parameters() if part.requires_grad is learns):
                told[name]["whole"] += part.numel()
                told[name]["held"] += part.to_local().numel() if isinstance(part, DTensor) else part.numel()
        (Path(trainer.default_root_dir) / f"rank{trainer.global_rank}.json").write_text(json.dumps(told))


class WithoutChance(Callback):
    """Takes away what every process has of its own: dropout, and the averages that batch norms take of a batch."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for part in pl_module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eval()
            for name in ("p", "dropout", "dropout_p"):
                if isinstance(getattr(part, name, None), float):
                    setattr(part, name, 0.0)
