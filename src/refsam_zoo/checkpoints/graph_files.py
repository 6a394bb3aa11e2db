"""A model as graphs for programs without refsam-zoo: a file for each part, and one that says how they go together."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from refsam_zoo.checkpoints.exported_parts import ExportedPart, exported_parts
from refsam_zoo.errors import InputError
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.output_files import require_empty, whole_folder

DESCRIPTION, TOKENIZER = "export.json", "tokenizer"

_FORMAT = 1


def write_graphs(folder: Path, model: RefSAM, kind: str, expressions: Sequence[str] = ()) -> None:
    """Writes the graphs of a model's parts, `export.json` and, where the text encoder has one, its tokenizer's files.

    Args:
        folder: A new or empty folder; it is there whole afterwards or not at all.
        model: In evaluation mode, on the CPU, in float32.
        kind: One of `GRAPHS`.
        expressions: Sentences whose token ids `export.json` is to hold, for programs without a tokenizer.

    Raises:
        InputError: The tracker hands on no fixed number of tokens, a sentence is empty, a package is missing, or the
            folder has something in it or cannot be written.
    """
    suffix, save = GRAPHS[kind]
    if kind == "onnx":
        _require("onnx", "onnxscript")
    require_empty(folder)
    text = _tokenised(model, list(expressions))
    parts = exported_parts(model)
    with whole_folder(folder) as unfinished:
        for name, part in parts.items():
            save(part, unfinished / f"{name}{suffix}")
        (unfinished / TOKENIZER).mkdir()
        model.text_encoder.save_vocabulary(unfinished / TOKENIZER)
        if not any((unfinished / TOKENIZER).iterdir()):
            (unfinished / TOKENIZER).rmdir()
        content = _description(model, {name: f"{name}{suffix}" for name in parts}, text)
        (unfinished / DESCRIPTION).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _description(model: RefSAM, files: Mapping[str, str], text: Mapping[str, Any]) -> dict[str, Any]:
    encoder = model.image_encoder
    return {
        "format": _FORMAT,
        "refsam_zoo": version("refsam-zoo"),
        "files": dict(files),
        "image_size": encoder.image_size,
        "pixel_mean": list(encoder.pixel_mean),
        "pixel_std": list(encoder.pixel_std),
        "threshold": 0.0,
        "max_tokens": model.text_encoder.max_tokens,
        "pad_id": model.text_encoder.pad_id,
        **text,
    }


def _tokenised(model: RefSAM, expressions: list[str]) -> dict[str, Any]:
    ids, mask = model.text_encoder.tokenize(expressions) if expressions else (torch.empty(0), torch.empty(0))
    return {"expressions": expressions, "ids": ids.tolist(), "mask": mask.tolist()}


def _save_onnx(part: ExportedPart, path: Path) -> None:
    try:
        program = torch.onnx.export(
            part.program, dynamo=True, verbose=False, input_names=part.inputs, output_names=part.outputs
        )
    except torch.onnx.OnnxExporterError as error:
        raise InputError(f"PyTorch cannot make ONNX of this model's {path.stem}; try --format torch_export") from error
    assert program is not None, "without a path it gives a program"
    program.save(path)


def _save_torch_export(part: ExportedPart, path: Path) -> None:
    torch.export.save(part.program, path)


GRAPHS: dict[str, tuple[str, Callable[[ExportedPart, Path], None]]] = {
    "onnx": (".onnx", _save_onnx),
    "torch_export": (".pt2", _save_torch_export),
}
"""Kind of graph -> ending of its files, and what writes one."""


def _require(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"--format onnx needs {' and '.join(missing)}; install refsam-zoo[export]")
