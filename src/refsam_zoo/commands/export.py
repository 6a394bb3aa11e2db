"""`refsam-zoo export`: a run's checkpoint as a folder that anybody can load, or as graphs for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from refsam_zoo.checkpoints.formats import Format


def export(
    checkpoint: str | Path,
    output: str | Path,
    *,
    format: Format = "folder",
    expressions: Sequence[str] | str = (),
    licence: str = "",
) -> None:
    """Writes the model of a checkpoint for others, in one of three formats, none of them with pickle.

    `folder`: `config.json`, `model.safetensors` and a model card, which `segment --checkpoint FOLDER` and
    `Predictor.from_pretrained(FOLDER)` read. What only training needs is left out. `onnx` and `torch_export`: graphs
    without refsam-zoo, a file each for the image encoder, the text encoder, the first frame and the next one, and
    `export.json`, which says how they go together; `examples/onnx_video.py` runs them.

    Args:
        checkpoint: A checkpoint of `refsam-zoo fit`, or a folder of this command.
        output: A new or empty folder.
        format: folder, onnx or torch_export.
        expressions: With graphs, a sentence or a list of them, '["the dog", "the cat"]', whose token ids are written
            too, for programs without a tokenizer.
        licence: With a folder, of the weights, for the model card: an SPDX identifier.

    Raises:
        InputError: No checkpoint, the folder has something in it, it cannot be written, or what the format needs is
            missing.
    """
    from refsam_zoo.checkpoints.exporting import export_checkpoint

    for line in export_checkpoint(checkpoint, output, licence, format, expressions):
        print(line)
