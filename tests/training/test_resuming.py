"""A run that was interrupted anywhere and goes on ends with the weights of one that was not, bit for bit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from warm_process import WarmProcess

from refsam_zoo.callbacks.scores import EvaluationCallback
from refsam_zoo.data_modules.ref_shapes import RefShapes
from refsam_zoo.model.cross_modal import CrossModalMLP
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS
from refsam_zoo.model.mask_decoders import MaskDecoder
from refsam_zoo.model.prompts import DENSE_PROMPTS, SPARSE_PROMPTS
from refsam_zoo.model.text_encoders import TEXT_ENCODERS
from refsam_zoo.model.trackers import TRACKERS
from refsam_zoo.model.tuners import TUNERS
from refsam_zoo.training.losses import AlignmentLoss, MaskLoss
from refsam_zoo.training.module import ReferringSegmentation
from refsam_zoo.training.optimizer import Schedule
from refsam_zoo.types import ClipBatch

WIDTH = 32
BATCHES, EPOCHS = 4, 3

pytestmark = [
    pytest.mark.slow,
    # Lightning would rather not have modules among the hyper-parameters; the command line puts plain values there
    pytest.mark.filterwarnings("ignore:Attribute .* is an instance of `nn.Module`"),
]


def make_model() -> ReferringSegmentation:
    """A small model with dropout, whose rates depend on the length of the run."""
    seed_everything(0, verbose=False)
    model = ReferringSegmentation(
        image_encoder=IMAGE_ENCODERS.build("vit_tiny", image_size=32, embedding_width=WIDTH),
        text_encoder=TEXT_ENCODERS.build("clip_tiny"),
        tuner=TUNERS.build("frozen"),
        text_tuner=TUNERS.build("frozen"),
        cross_modal=CrossModalMLP(dropout=0.5, width=WIDTH),
        sparse_prompt=SPARSE_PROMPTS.build("word_tokens"),
        dense_prompt=DENSE_PROMPTS.build("dense_attention", width=WIDTH),
        mask_decoder=MaskDecoder(mlp_width=32, width=WIDTH),
        tracker=TRACKERS.build("track_mlp", width=WIDTH),
        loss=MaskLoss(),
        alignment=AlignmentLoss(1.0),
        schedule=Schedule("cosine", warmup_steps=2),
    )
    model.hparams.clear()  # the command line has plain values in checkpoints, not these modules
    return model


class Save(Callback):
    """Writes a checkpoint at the end of a run and, if wanted, after each batch: in mid-epoch and in mid-step."""

    def __init__(self, folder: Path, every_batch: bool) -> None:
        self.folder = folder
        self.every_batch = every_batch
        self.batches = 0

    def on_train_batch_end(self, trainer: Trainer, *args: object) -> None:
        self.batches += 1
        if self.every_batch:
            trainer.save_checkpoint(self.folder / f"{self.batches}.ckpt")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.save_checkpoint(self.folder / "end.ckpt")


class LossOfAll(Callback):
    """Makes sure that the loss that is logged is that of all processes."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: ClipBatch, batch_idx: int
    ) -> None:
        losses = pl_module.all_gather(outputs["loss"])
        assert losses.unique().numel() == trainer.world_size
        torch.testing.assert_close(trainer.callback_metrics["train/loss"], losses.mean())


def train(root: Path, folder: Path, resumed: Path | None = None, workers: int = 0, **options: Any) -> Path:
    """Trains to the end and gives a checkpoint of it."""
    model = make_model()
    if resumed is not None:
        torch.rand(3)  # what a process drew before it resumes has no say
    processes = options.get("devices", 1)
    data = RefShapes(root, workers=workers, clip_frames=[1, 2], batch_size=2, epoch_length=2 * BATCHES * processes)
    trainer = Trainer(
        accelerator="cpu",
        callbacks=[EvaluationCallback(), Save(folder, resumed is None), *([LossOfAll()] if processes > 1 else [])],
        limit_val_batches=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
        **{"max_epochs": EPOCHS, "devices": 1} | options,
    )
    trainer.fit(model, data, ckpt_path=resumed)
    return folder / "end.ckpt"


def state(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Weights and what AdamW has of them."""
    loaded = torch.load(checkpoint, weights_only=True)
    moments = loaded["optimizer_states"][0]["state"]
    return loaded["state_dict"] | {f"{i}.{name}": value for i, own in moments.items() for name, value in own.items()}


def wrong_ends(root: Path, folder: Path, kills: list[int], **options: Any) -> list[int]:
    """The kills, in batches, after which a resumed run ended with other weights."""
    end = state(train(root, folder, **options))
    wrong = []
    for batch in kills:
        last = state(train(root, folder, resumed=folder / f"{batch}.ckpt", **options))
        if not (last.keys() == end.keys() and all(torch.equal(last[name], end[name]) for name in end)):
            wrong.append(batch)
    return wrong


@pytest.mark.parametrize(
    ("options", "kills"),
    [
        ({}, list(range(1, EPOCHS * BATCHES))),
        ({"workers": 1}, [3, 6]),
        ({"workers": 2}, [5]),
        ({"accumulate_grad_batches": 2}, [3, 6, 9]),
        ({"val_check_interval": 2}, [6]),
        ({"max_epochs": -1, "max_steps": 10}, [3, 8]),
        ({"precision": "bf16-mixed"}, [6]),
    ],
    ids=str,
)
def test_a_resumed_run_ends_with_the_same_weights(
    ref_shapes: Path, tmp_path: Path, options: dict[str, Any], kills: list[int]
) -> None:
    assert wrong_ends(ref_shapes, tmp_path, kills, **options) == []


def test_in_two_processes_too(ref_shapes: Path, tmp_path: Path, warm_process: WarmProcess) -> None:
    # a process of its own: one whose OpenMP threads have run hangs when it forks
    done = warm_process.run(__file__, ref_shapes, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
    assert "sync_dist" not in done.stderr  # Lightning's advice for what every process has alike


if __name__ == "__main__":
    print(wrong_ends(Path(sys.argv[1]), Path(sys.argv[2]), [2, 5, 8], workers=1, devices=2, strategy="ddp_fork"))
