"""`refsam-zoo convert`: weights of the released RefSAM code to ours and back, or some components of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from refsam_zoo.checkpoints.formats import Naming


def convert(
    source: str | Path,
    output: str | Path,
    to: Naming = "refsam_zoo",
    merge: bool = False,
    text_encoder: str = "t5-3b",
    components: Sequence[str] = (),
) -> None:
    """Converts weights of the released RefSAM code to ours, or ours to its component files.

    Of a file of EVF-SAM it takes SAM, whose decoder was trained there; the system `evf_sam` reads its folder as it is.
    Of a file of SAMWISE it takes what the system `samwise` reads, without the state of its training.
    With `components` it takes these out of one of our own files, for a model to start from.

    Args:
        source: An official file, a file of EVF-SAM or SAMWISE, or a folder with one official file per component. To go
            back: a weights file with our names, or a checkpoint of a run.
        output: The weights file to write (`.safetensors` or `.pth`). To go back: the folder for the component files.
        to: Whose files to write.
        merge: Fold LoRA into the layers it adapts, for a model without LoRA.
        text_encoder: Name of the text encoder in the names of official files.
        components: Names such as `image_encoder`; the source is then a checkpoint of a run or a file with our names.

    Raises:
        InputError: A file is missing or no checkpoint, holds names without a counterpart, lacks some or has them in
            another shape, the output exists, or the options do not go together.
    """
    from refsam_zoo.checkpoints import conversion

    for line in conversion.convert(source, output, to, merge, text_encoder, components):
        print(line)
