"""`refsam-zoo convert`: weights of the released RefSAM code to ours and back, or some components of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from refsam_zoo.checkpoints.reconstruction import check_whole
from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.weights.components import COMPONENTS, merge_lora
from refsam_zoo.weights.files import StateDict, load_state_dict, select_prefix
from refsam_zoo.weights.official import COMPONENT_FILES, read_official, split_components, to_official
from refsam_zoo.weights.saving import save_state_dict

_NEVER_SAVED = ("text_encoder.", "prompt_encoder.")
"""Components that the released code never trains, so that they may be any."""


def convert(
    source: str | Path,
    output: str | Path,
    to: Literal["refsam_zoo", "official"] = "refsam_zoo",
    merge: bool = False,
    text_encoder: str = "t5-3b",
    components: Sequence[str] = (),
) -> None:
    """Converts weights of the released RefSAM code to ours, or ours to its component files.

    With `components` it takes these out of one of our own files, for a model to start from.

    Args:
        source: An official file, or a folder with one official file per component. To go back: a weights file with our
            names, or a checkpoint of a run.
        output: The weights file to write (`.safetensors` or `.pth`). To go back: the folder for the component files.
        to: Whose files to write.
        merge: Fold LoRA into the layers it adapts, for a model without LoRA.
        text_encoder: Name of the text encoder in the names of official files.
        components: Names such as `image_encoder`; the source is then a checkpoint of a run or a file with our names.

    Raises:
        InputError: A file is missing or no checkpoint, holds names without a counterpart, lacks some or has them in
            another shape, the output exists, or the options do not go together.
    """
    source, output = Path(source), Path(output)
    if components:
        if merge or to == "official":
            raise InputError("components are copied as they are: leave out --merge and --to official")
        _save(pick_components(select_prefix(load_state_dict(source), "model."), components, str(source)), output)
        return
    if to == "refsam_zoo":
        state = read_official(_component_files(source) if source.is_dir() else [source])
        check_whole(state, str(source))
        _save(merge_lora(state) if merge else state, output)
        return
    state = select_prefix(load_state_dict(source), "model.")
    state = {name: tensor for name, tensor in state.items() if not name.startswith(_NEVER_SAVED)}
    for beginning, part in split_components(to_official(merge_lora(state) if merge else state)).items():
        path = output / f"{beginning}{text_encoder}_last.pth"
        save_state_dict(part, path)
        print(f"{path}: {len(part)} tensors")


def pick_components(state: StateDict, components: Sequence[str], source: str) -> StateDict:
    """Keeps some components of a state dict with our names.

    Args:
        state: Names and tensors of a `RefSAM`.
        components: Names of its parts, such as `image_encoder`.
        source: Where the weights come from, for the message.

    Raises:
        InputError: A component is not there.
    """
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


def _save(state: StateDict, output: Path) -> None:
    save_state_dict(state, output)
    print(f"{output}: {len(state)} tensors of {', '.join(_held(state))}")


def _held(state: StateDict) -> list[str]:
    return [component.rstrip(".") for component in COMPONENTS if any(name.startswith(component) for name in state)]
