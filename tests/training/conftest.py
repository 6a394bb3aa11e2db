"""The command line of a run that takes seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "configs" / "demo.yaml"


@pytest.fixture(scope="session")
def tiny_command(ref_shapes: Path) -> Callable[..., list[str]]:
    """Gives a function: command, run folder and further options -> arguments for epochs of three steps."""

    def arguments(command: str, run: Path, *more: object) -> list[str]:
        return [
            command,
            f"--config={DEMO}",
            f"--data.root={ref_shapes}",
            "--data.synthesis=null",
            "--data.clip_frames=1",
            "--data.epoch_length=6",
            "--data.batch_size=2",
            "--data.workers=0",
            "--trainer.limit_val_batches=3",
            "--trainer.log_every_n_steps=1",
            "--trainer.enable_model_summary=false",
            f"--trainer.default_root_dir={run}",
            *(str(option) for option in more),
        ]

    return arguments
