"""Weights of the released RefSAM code to ours and back, and some components of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from refsam_zoo.checkpoints.reconstruction import check_whole
from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.weights.components import COMPONENTS, merge_lora
from refsam_zoo.weights.files import StateDict, load_state_dict, select_prefix
from refsam_zoo.weights.official import COMPONENT_FILES, read_official, split_components, to_official
from refsam_zoo.weights.saving import save_state_dict

_NEVER_SAVED = ("text_encoder.", "prompt_encoder.")
"""Components that the released code never trains, so that they may be any."""


def convert_to_ours(source: str | Path, output: str | Path, merge: bool = False) -> str:
    """Writes a weights file with our names.

    Args:
        source: An official file, or a folder with one official file per component.
        output: The file to write (`.safetensors` or `.pth`).
        merge: Fold LoRA into the layers it adapts.

    Returns:
        What was written, a line.

    Raises:
        InputError: A file is missing or no checkpoint, a component is not whole, or the output exists.
    """
    source = Path(source)
    state = read_official(_component_files(source) if source.is_dir() else [source])
    check_whole(state, str(source))
    return _save(merge_lora(state) if merge else state, Path(output))


def convert_to_official(
    source: str | Path, output: str | Path, text_encoder: str = "t5-3b", merge: bool = False
) -> Iterator[str]:
    """Writes the component files of the released code.

    Args:
        source: A weights file with our names, or a checkpoint of a run.
        output: The folder for them.
        text_encoder: Name of the text encoder in their names.
        merge: Fold LoRA into the layers it adapts.

    Yields:
        What was written, a line for each file.

    Raises:
        InputError: The file is missing or no checkpoint, holds names without a counterpart, or an output exists.
    """
    state = select_prefix(load_state_dict(source), "model.")
    state = {name: tensor for name, tensor in state.items() if not name.startswith(_NEVER_SAVED)}
    for beginning, part in split_components(to_official(merge_lora(state) if merge else state)).items():
        path = Path(output) / f"{beginning}{text_encoder}_last.pth"
        save_state_dict(part, path)
        yield f"{path}: {len(part)} tensors"


def copy_components(source: str | Path, output: str | Path, components: Sequence[str]) -> str:
    """Writes some components of one of our own files, for a model to start from.

    Args:
        source: A checkpoint of a run or a file with our names.
        output: The file to write (`.safetensors` or `.pth`).
        components: Names such as `image_encoder`.

    Returns:
        What was written, a line.

    Raises:
        InputError: The file is missing or no checkpoint, a component is not there, or the output exists.
    """
    state = select_prefix(load_state_dict(source), "model.")
    return _save(_pick(state, components, source), Path(output))


def _pick(state: StateDict, components: Sequence[str], source: str | Path) -> StateDict:
    held = {name.partition(".")[0] for name in state}
    for component in components:
        if component not in held:
            raise InputError(f"{source} holds no '{component}'{nearest_name(component, held)}")
    return {name: tensor for name, tensor in state.items() if name.partition(".")[0] in components}


def _component_files(folder: Path) -> list[Path]:
    """Finds one official file per component.

    Raises:
        InputError: There is none, or more than one of a component.
    """
    files = []
    for beginning in COMPONENT_FILES:
        found = sorted(folder.glob(f"{beginning}*.pth"))
        if len(found) > 1:
            raise InputError(f"{folder}: {found[0].name} and {found[1].name} are the same component; keep one of them")
        files += found
    if not files:
        names = ", ".join(f"{beginning}*.pth" for beginning in COMPONENT_FILES)
        raise InputError(f"{folder}: no component file of the released RefSAM code ({names})")
    return files


def _save(state: StateDict, output: Path) -> str:
    save_state_dict(state, output)
    return f"{output}: {len(state)} tensors of {', '.join(_held(state))}"


def _held(state: StateDict) -> list[str]:
    return [component.rstrip(".") for component in COMPONENTS if any(name.startswith(component) for name in state)]
