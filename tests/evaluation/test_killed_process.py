"""A test run in two processes, one of which dies."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from refsam_zoo.callbacks.scores import EvaluationCallback
from refsam_zoo.types import Clip, ClipBatch, Referral, VideoSource

if TYPE_CHECKING:  # the second process, a Python of its own, does not find it
    from warm_process import WarmProcess


def _batch(number: int) -> ClipBatch:
    referral = Referral(f"v{number}", "0", "a thing", (1,), ("0",), VideoSource(Path()))
    clip = Clip(torch.empty(0).numpy(), ("0",), (referral,), ("a thing",), None)
    masks = torch.ones(1, 1, 8, 8, dtype=torch.bool)
    frames = torch.zeros(1, 1, 3, 8, 8, dtype=torch.uint8)
    return ClipBatch(frames, [(8, 8)], ["a thing"], torch.zeros(1, dtype=torch.int64), masks, [clip])


class _Data(LightningDataModule):
    subset_names = ("test",)

    def test_dataloader(self) -> DataLoader:
        return DataLoader([_batch(number) for number in range(4)], batch_size=None)  # type: ignore[arg-type]


class _Module(LightningModule):
    """The second process dies in its first step, as one that is out of memory does."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def test_step(self, batch: ClipBatch, batch_idx: int) -> dict[str, Tensor]:
        if self.global_rank == 1:
            os._exit(9)
        assert batch.masks is not None
        return {"predictions": batch.masks}


@pytest.mark.slow
def test_the_run_ends_with_an_error(tmp_path: Path, warm_process: WarmProcess) -> None:
    done = warm_process.run(__file__, tmp_path)
    assert done.returncode not in (0, -signal.SIGALRM)
    assert not (tmp_path / "evaluation").exists()


if __name__ == "__main__":
    options = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        callbacks=[EvaluationCallback()],
        default_root_dir=sys.argv[1],
        enable_checkpointing=False,
        **options,  # type: ignore[arg-type]
    )
    trainer.test(_Module(), _Data(), verbose=False)
