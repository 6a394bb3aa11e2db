"""A program: trains small compositions in the two processes that it is started in, and each in one of them alone.

Its arguments are the folder that gets what each has learned, and configuration files.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from compositions import build, in_small, model_parser, moving_box
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader
from training.own_parts import WithoutChance

from refsam_zoo.training.module import TRAINING_LOSS

STEPS, CLIPS = 2, 2
BY_SENTENCE = {"model": {"alignment": {"class_path": "AlignmentLoss", "init_args": {"weight": 0.0}}}}
"""The loss of alignment weighs pixels by the objects of a whole batch, which two processes do not have."""


class Losses(Callback):
    """Keeps the loss of each step as it is logged."""

    def __init__(self) -> None:
        self.found: list[float] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self.found.append(float(trainer.callback_metrics[TRAINING_LOSS]))


def learned(module: LightningModule) -> dict[str, torch.Tensor]:
    return {name: part.detach().clone() for name, part in module.named_parameters() if part.requires_grad}


def learn(module: LightningModule, folder: Path, strategy: str, devices: int) -> dict[str, Any]:
    """Trains on the clips of this process: every second one, or all where it is alone."""
    losses = Losses()
    trainer = Trainer(
        accelerator="cpu", devices=devices, strategy=strategy, callbacks=[losses, WithoutChance()], max_steps=STEPS,
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False, default_root_dir=folder,
    )  # fmt: skip
    shares = range(trainer.global_rank, CLIPS, devices)
    batches: list[Any] = [moving_box(*(CLIPS * step + share for share in shares)) for step in range(STEPS)]
    start = learned(module)
    trainer.fit(module, DataLoader(batches, batch_size=None))
    return {"start": start, "end": learned(module), "losses": losses.found}


def main(folder: Path, files: Sequence[str]) -> None:
    parser, rank = model_parser(), int(os.environ["RANK"])
    for number, file in enumerate(files):
        print(file, file=sys.stderr, flush=True)
        module = build(parser, *in_small(Path(file)), BY_SENTENCE)
        if number % 2 == rank:
            torch.save(learn(copy.deepcopy(module), folder, "auto", devices=1), folder / f"{number}-alone.pt")
        torch.save(learn(module, folder, "ddp", devices=2), folder / f"{number}-{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
