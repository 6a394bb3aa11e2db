"""`refsam-zoo rerun`: does a run come out the same again?"""

from __future__ import annotations

from pathlib import Path


def rerun(run: Path) -> None:
    """Trains again as a run did, for its first 20 steps, and compares the losses bit for bit.

    Start it in the folder where the run was started: paths may be relative to that. Nothing is kept.

    Args:
        run: Folder of a run of `refsam-zoo fit`, with its `run.json`.

    Raises:
        InputError: No run, or a loss differs; the message names the step and what else differs.
    """
    from lightning.pytorch.utilities import rank_zero_only

    from refsam_zoo.training.rerun import rerun_losses

    rank_zero_only(print)(f"{run}: the first {rerun_losses(run)} losses are the same, bit for bit")
