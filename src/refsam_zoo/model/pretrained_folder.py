"""A model as a folder that anybody can load: what it is composed of, its weights, and a page that says what it is."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from refsam_zoo.errors import InputError
from refsam_zoo.model.text_encoders import TextEncoder
from refsam_zoo.output_files import require_empty, whole_folder
from refsam_zoo.registry import ROLES
from refsam_zoo.weights.files import StateDict
from refsam_zoo.weights.saving import save_state_dict

CONFIG, WEIGHTS, PAGE = "config.json", "model.safetensors", "README.md"
VOCABULARY = "text_encoder"
"""Folder of the text encoder's tokenizer files, where it needs any."""

_FORMAT = 1


Composition = Mapping[str, Any]
"""Name of a part -> its class and arguments in plain values; None where it was made of others."""


def write_pretrained_folder(
    folder: Path, composition: Composition, weights: StateDict, text_encoder: TextEncoder, about: str = ""
) -> None:
    """Writes a model so that it is loaded without the files that it started from, and without running code from it.

    Files: `config.json` (how each part was made), `model.safetensors` (all weights), `README.md` (a model card), and
    `text_encoder/` where the text encoder has a vocabulary of its own.

    Args:
        folder: A new or empty folder; it is there whole afterwards or not at all.
        composition: How the model's parts were made.
        weights: All of the model's.
        text_encoder: The model's, which may have a vocabulary.
        about: Markdown for the model card: what it was trained on, its scores, its licence.

    Raises:
        InputError: A part was made of more than plain values, the folder has something in it, or it cannot be written.
    """
    missing = [name for name, made in composition.items() if made is None]
    if missing or not composition:
        raise InputError(
            f"{folder}: nothing would say how the model's {', '.join(missing) or 'parts'} was made, of more than plain "
            "values or not by create_model; save model.state_dict() and compose it anew"
        )
    require_empty(folder)
    composition = copy.deepcopy(dict(composition))
    with whole_folder(folder) as unfinished:
        options = composition["text_encoder"]["init_args"]
        if options.get("folder") is not None:
            (unfinished / VOCABULARY).mkdir()
            text_encoder.save_vocabulary(unfinished / VOCABULARY)
            options["folder"] = VOCABULARY
        for part in composition.values():
            if "checkpoint" in part.get("init_args", {}):
                part["init_args"]["checkpoint"] = None  # the path of a file on this machine, and not needed
        config = {"format": _FORMAT, "refsam_zoo": version("refsam-zoo"), "composition": composition}
        (unfinished / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        save_state_dict(weights, unfinished / WEIGHTS, {"format": "pt"})
        (unfinished / PAGE).write_text(_model_card(composition, weights, about), encoding="utf-8")


def is_pretrained_folder(path: Path) -> bool:
    """Says whether a path is a folder with a `config.json`."""
    return (path / CONFIG).is_file()


def read_composition(folder: Path) -> dict[str, Any]:
    """Reads how each part of a model is made, with the folder of its vocabulary where it has one.

    Raises:
        InputError: `config.json` cannot be read, is no RefSAM's, or of a format that this release does not know.
    """
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("composition"), dict):
        kind = isinstance(config, dict) and config.get("model_type")
        found = f" but of a model of type '{kind}'" if kind else ""
        raise InputError(f"{path}: not what model.save_pretrained or refsam-zoo export writes{found}")
    if config.get("format") != _FORMAT:
        raise InputError(f"{path}: format {config.get('format')} instead of {_FORMAT}; install a later refsam-zoo")
    composition: dict[str, Any] = config["composition"]
    options = composition.get("text_encoder", {}).get("init_args", {})
    if options.get("folder") is not None:
        options["folder"] = str(folder / VOCABULARY)
    return composition


def _model_card(composition: Composition, weights: StateDict, about: str) -> str:
    numbers = sum(tensor.numel() for tensor in weights.values())
    lines = [
        "# RefSAM, composed and trained with refsam-zoo",
        "",
        "Referring video object segmentation: a video and a sentence give the mask of the object in every frame.",
        "",
        f"{numbers / 1e6:.1f} M numbers.",
        "",
        "| part | made of | weights came from | their licence |",
        "|---|---|---|---|",
        *_rows(composition),
        "",
        *([about.strip(), ""] if about else []),
        "## Use",
        "",
        "```python",
        "import refsam_zoo",
        "",
        'predictor = refsam_zoo.Predictor.from_pretrained("FOLDER")',
        'for found in predictor.stream(frames, ["the dog", "the cat"]):',
        "    found.masks  # bool, one per sentence",
        "```",
        "",
        'Or `refsam-zoo segment VIDEO "the dog" --checkpoint FOLDER --output result`.',
    ]
    return "\n".join(lines) + "\n"


def _rows(composition: Composition) -> Iterator[str]:
    for role, made in composition.items():
        name = made["class_path"].rsplit(".", 1)[-1]
        registry = ROLES.get(role)
        if registry is not None and name in registry:
            card = registry.card(name)
            yield f"| {role} | {name} ({card.family}) | {card.weights} | {card.licence} |"
        else:
            yield f"| {role} | {name} | none | - |"
