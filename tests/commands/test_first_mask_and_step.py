"""What is waited for before the first mask and the first training step: no package that neither of them uses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

UNUSED = {
    "open_clip.factory",
    "scipy.signal",
    "timm",
    "torchmetrics.functional",
    "torchvision",
    "transformers",
    "wandb",
}


@pytest.mark.slow
def test_nothing_is_imported_that_is_not_used(
    tiny_command: Callable[..., list[str]], ref_shapes: Path, tmp_path: Path
) -> None:
    run, video = tmp_path / "run", next((ref_shapes / "test" / "Videos").glob("*.mp4"))
    segment = ["segment", str(video), "the red circle", f"--checkpoint={run / 'checkpoints' / 'last.ckpt'}"]
    fit = tiny_command("fit", run, "--trainer.max_steps=1", "--trainer.limit_val_batches=0")
    segment.append(f"--output={tmp_path / 'output'}")
    for command, unused in ((fit, UNUSED), (segment, UNUSED | {"lightning", "torch._dynamo"})):
        program = f"import sys; from refsam_zoo.cli import main; assert main({command}) == 0\n"
        program += f"print('imported', *sorted({unused} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "imported"
