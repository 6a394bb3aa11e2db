"""Packs what a run predicted for a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info

from refsam_zoo.errors import InputError
from refsam_zoo.evaluation.submissions import server_protocol, write_submission


class SubmissionWriter(Callback):
    """Packs the masks of `predict` for a server, once the callback that writes them has finished.

    It looks at no clip, so it needs nothing of `PredictionCallback`.

    Args:
        submission: The zip to write.
        protocol: `ref_youtube_vos`, `mevis` or `mevis_v2`.
        masks: Folder that the masks were written to; None means `masks` in the run's folder.

    Raises:
        InputError: There is no such server, or the zip is there already.
    """

    def __init__(self, submission: str | Path, protocol: str, masks: str | Path | None = None) -> None:
        submission = Path(submission)
        masks = None if masks is None else Path(masks)
        server_protocol(protocol)
        if submission.exists():
            raise InputError(f"'{submission}' exists; give another name for the submission")
        self.submission = submission
        self.protocol = protocol
        self.masks = masks

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Packs the masks of the split without public ground truth.

        Raises:
            InputError: Masks are missing, or the zip cannot be written.
        """
        trainer.strategy.barrier()  # until every process has written its masks
        if trainer.is_global_zero:
            data: Any = trainer.datamodule  # type: ignore[attr-defined]
            masks = self.masks or Path(trainer.default_root_dir) / "masks"
            write_submission(masks, self.protocol, data.referrals("predict"), self.submission)
            rank_zero_info(f"Submission written to {self.submission}")
