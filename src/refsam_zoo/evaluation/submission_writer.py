"""Packs what a run predicted for a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.submissions import server_protocol, write_submission


class SubmissionWriter(Callback):
    """Packs the masks of `test` or `predict` for a server, after the callback that writes them.

    Args:
        submission: The zip to write; None for none.
        protocol: `ref_youtube_vos` or `mevis`.
        masks: Folder that the masks were written to; None means `masks` in the run's folder.
    """

    def __init__(
        self, submission: Path | None = None, protocol: str = "ref_youtube_vos", masks: Path | None = None
    ) -> None:
        self.submission = submission
        self.protocol = protocol
        self.masks = masks

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Notices what is wrong with the options before any work is done.

        Raises:
            InputError: There is no such server, or the zip is there already.
        """
        if self.submission is not None:
            server_protocol(self.protocol)
            if self.submission.exists():
                raise InputError(f"'{self.submission}' exists; give another name for the submission")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Packs the masks of the test split."""
        self._write(trainer, "test")

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Packs the masks of the split without public ground truth."""
        self._write(trainer, "predict")

    def _write(self, trainer: Trainer, role: str) -> None:
        if self.submission is None:
            return
        trainer.strategy.barrier()  # until every process has written its masks
        if trainer.is_global_zero:
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            masks = self.masks or Path(trainer.default_root_dir) / "masks"
            write_submission(masks, self.protocol, data.referrals(role), self.submission)
            rank_zero_info(f"Submission written to {self.submission}")
