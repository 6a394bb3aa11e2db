"""From a run's checkpoint to a folder that anybody can load, with what its run tells of it, or to graphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from refsam_zoo.checkpoints.formats import Format
from refsam_zoo.checkpoints.graph_files import write_graphs
from refsam_zoo.checkpoints.restoring import load_model
from refsam_zoo.errors import InputError
from refsam_zoo.output_files import newest_folder, require_empty


def export_checkpoint(
    checkpoint: str | Path,
    output: str | Path,
    licence: str = "",
    format: Format = "folder",
    expressions: Sequence[str] | str = (),
) -> Iterator[str]:
    """Writes the model of a checkpoint: a folder of `RefSAM.save_pretrained`, or graphs; see `write_graphs`.

    A folder's model card says what data the run was trained on and what scores it has, as far as its folder tells.

    Args:
        checkpoint: A checkpoint of `refsam-zoo fit`.
        output: A new or empty folder.
        licence: Of the weights; it follows from those of the data and of the weights that the run started from.
        format: What to write.
        expressions: Sentences, or a single one, whose token ids are written beside graphs.

    Yields:
        What was written, a line for each file.

    Raises:
        InputError: No checkpoint, the folder has something in it, it cannot be written, or what the format needs is
            missing.
    """
    checkpoint, output = Path(checkpoint), Path(output)
    require_empty(output)
    if format == "folder":
        if expressions:
            raise InputError("--expressions goes with --format onnx or torch_export; a folder has its tokenizer")
        load_model(checkpoint).save_pretrained(output, _about(checkpoint, licence))
    else:
        if licence:
            raise InputError("--licence goes with --format folder, which has a model card")
        sentences = [expressions] if isinstance(expressions, str) else expressions
        write_graphs(output, load_model(checkpoint), format, sentences)
    for path in sorted(path for path in output.rglob("*") if path.is_file()):
        yield f"{path}: {path.stat().st_size / 1e6:.1f} MB"


def _about(checkpoint: Path, licence: str) -> str:
    """Makes Markdown of what is known of a run."""
    run = checkpoint.parent.parent
    sections = [f"Licence of these weights: {licence or 'not stated by those who exported them'}."]
    data = _data(run / "config.yaml")
    if data:
        sections.append(f"Trained on {data}.")
    summary = newest_folder(run / "evaluation") / "summary.md"
    if summary.is_file():
        sections.append(f"Scores of `refsam-zoo test`:\n\n{summary.read_text(encoding='utf-8').strip()}")
    return "\n\n".join(sections)


def _data(config: Path) -> str:
    """Names the data set of a run's configuration, nothing where there is none."""
    if not config.is_file():
        return ""
    options: Any = yaml.safe_load(config.read_text(encoding="utf-8"))
    data = options.get("data") if isinstance(options, dict) else None
    class_path = data.get("class_path", "") if isinstance(data, dict) else data or ""
    return str(class_path).rsplit(".", 1)[-1]
