"""`refsam-zoo synthesize`: every knob of RefShapes as an option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from refsam_zoo.number_types import Workers
from refsam_zoo.synthesis import dataset
from refsam_zoo.synthesis.options import SynthesisOptions


def synthesize(output: str | Path, workers: Workers = 1, **options: Any) -> None:
    """Writes the RefShapes data set.

    Args:
        output: Folder to make. Where the same data set is already there, nothing is done; anything else is an error.
        workers: Processes to share the work; the data set is the same for any number.
        options: What to generate, see `SynthesisOptions`.

    Raises:
        InputError: Impossible options, or a folder that holds something else or cannot be written.
    """
    dataset.synthesize(Path(output), SynthesisOptions(**options), workers)
