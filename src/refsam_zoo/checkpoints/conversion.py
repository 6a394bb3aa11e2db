"""Weights of the released RefSAM code to ours and back, and some components of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from refsam_zoo.checkpoints.formats import Naming
from refsam_zoo.checkpoints.reconstruction import check_whole
from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.weights.components import COMPONENTS, merge_lora
from refsam_zoo.weights.files import StateDict, load_state_dict, select_prefix
from refsam_zoo.weights.official import COMPONENT_FILES, read_official, split_components, to_official
from refsam_zoo.weights.samwise import is_samwise
from refsam_zoo.weights.saving import save_state_dict

_NEVER_SAVED = ("text_encoder.", "prompt_encoder.")
"""Components that the released code never trains, so that they may be any."""


def convert(
    source: str | Path,
    output: str | Path,
    to: Naming = "refsam_zoo",
    merge: bool = False,
    text_encoder: str = "t5-3b",
    components: Sequence[str] = (),
) -> Iterator[str]:
    """Writes a weights file with our names, the component files of the released code, or some components of a run.

    Args:
        source: An official file, or a folder with one official file per component. To go back, and for components: a
            weights file with our names, or a checkpoint of a run.
        output: The file to write (`.safetensors` or `.pth`). To go back: the folder for the component files.
        to: Whose files to write.
        merge: Fold LoRA into the layers it adapts.
        text_encoder: Name of the text encoder in the names of official files.
        components: Names such as `image_encoder`, for a model to start from.

    Yields:
        What was written, a line for each file.

    Raises:
        InputError: A file is missing or no checkpoint, holds names without a counterpart, lacks some or has them in
            another shape, an output exists, or the options do not go together.
    """
    source, output = Path(source), Path(output)
    if components:
        if merge or to == "official":
            raise InputError("components are copied as they are: leave out --merge and --to official")
        yield _save(_pick(_read_ours(source), components, source), output)
    elif to == "refsam_zoo":
        state = read_official(_component_files(source) if source.is_dir() else [source])
        if is_samwise(state):
            save_state_dict(state, output)
            yield f"{output}: {len(state)} tensors of SAMWISE"
            return
        check_whole(state, str(source))
        yield _save(merge_lora(state) if merge else state, output)
    else:
        state = {name: tensor for name, tensor in _read_ours(source).items() if not name.startswith(_NEVER_SAVED)}
        for beginning, part in split_components(to_official(merge_lora(state) if merge else state)).items():
            path = output / f"{beginning}{text_encoder}_last.pth"
            save_state_dict(part, path)
            yield f"{path}: {len(part)} tensors"


def _read_ours(source: Path) -> StateDict:
    return select_prefix(load_state_dict(source), "model.")


def _pick(state: StateDict, components: Sequence[str], source: Path) -> StateDict:
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
