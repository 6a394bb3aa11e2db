"""`refsam-zoo export`: a run's checkpoint as a folder that anybody can load."""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.checkpoints.exporting import export_checkpoint


def export(checkpoint: str | Path, output: str | Path, *, licence: str = "") -> None:
    """Writes the model of a checkpoint as a folder: `config.json`, `model.safetensors` and a model card, no pickle.

    `segment --checkpoint FOLDER` and `Predictor.from_pretrained(FOLDER)` read it. What only training needs is left out.

    Args:
        checkpoint: A checkpoint of `refsam-zoo fit`.
        output: A new or empty folder.
        licence: Of the weights, for the model card: an SPDX identifier.

    Raises:
        InputError: No checkpoint, the folder has something in it, or it cannot be written.
    """
    for line in export_checkpoint(checkpoint, output, licence):
        print(line)
