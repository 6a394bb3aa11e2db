"""`refsam-zoo convert`: weights of the released RefSAM code to ours and back."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from refsam_zoo.checkpoints.components import COMPONENTS, merge_lora
from refsam_zoo.checkpoints.loading import StateDict, load_state_dict, select_prefix
from refsam_zoo.checkpoints.official import COMPONENT_FILES, read_official, split_components, to_official
from refsam_zoo.checkpoints.reconstruction import check_whole
from refsam_zoo.checkpoints.saving import save_state_dict
from refsam_zoo.errors import InputError

_NEVER_SAVED = ("text_encoder.", "prompt_encoder.")
"""Components that the released code never trains, so that they may be any."""


def convert(
    source: Path,
    output: Path,
    to: Literal["refsam_zoo", "official"] = "refsam_zoo",
    merge: bool = False,
    text_encoder: str = "t5-3b",
) -> None:
    """Converts weights of the released RefSAM code to ours, or ours to its component files.

    Args:
        source: An official file, or a folder with one official file per component. To go back: a weights file with our
            names, or a checkpoint of a run.
        output: The weights file to write (`.safetensors` or `.pth`). To go back: the folder for the component files.
        to: Whose files to write.
        merge: Fold LoRA into the layers it adapts, for a model without LoRA.
        text_encoder: Name of the text encoder in the names of official files.

    Raises:
        InputError: A file is missing or no checkpoint, holds names without a counterpart, lacks some or has them in
            another shape, or the output exists.
    """
    if to == "refsam_zoo":
        state = read_official(_component_files(source) if source.is_dir() else [source])
        check_whole(state, str(source))
        save_state_dict(merge_lora(state) if merge else state, output)
        print(f"{output}: {len(state)} tensors of {', '.join(_held(state))}")
        return
    state = select_prefix(load_state_dict(source), "model.")
    state = {name: tensor for name, tensor in state.items() if not name.startswith(_NEVER_SAVED)}
    components = split_components(to_official(merge_lora(state) if merge else state))
    for beginning, part in components.items():
        path = output / f"{beginning}{text_encoder}_last.pth"
        save_state_dict(part, path)
        print(f"{path}: {len(part)} tensors")


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


def _held(state: StateDict) -> list[str]:
    return [component.rstrip(".") for component in COMPONENTS if any(name.startswith(component) for name in state)]
