"""Data sets are read without Lightning by commands, and are Lightning's data modules to everybody else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TRAINED = "from lightning.pytorch import LightningDataModule; assert issubclass(RefShapes, LightningDataModule)"


@pytest.mark.parametrize(
    "program",
    [
        f"from refsam_zoo.data_modules.ref_shapes import RefShapes; {TRAINED}",
        # a command that did without, and one that trains after it in the same process
        "import sys; from refsam_zoo.cli import main; assert main(['inspect', sys.argv[1]]) == 0; "
        "from refsam_zoo.data_modules.ref_shapes import RefShapes; assert 'lightning' not in sys.modules; "
        f"import refsam_zoo.training.module; {TRAINED}",
        "import sys; from refsam_zoo.cli import main; assert main(['inspect', sys.argv[1]]) == 0; "
        f"from refsam_zoo import RefShapes; {TRAINED}",
    ],
    ids=["a program", "training after a command", "Python after a command"],
)
def test_data_sets_are_data_modules(program: str, ref_shapes: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", program, ref_shapes]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
