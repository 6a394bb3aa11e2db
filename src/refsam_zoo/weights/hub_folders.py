"""Pretrained models as folders in the hub's layout: found, checked, downloaded where asked for, loaded whole or not."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from refsam_zoo.errors import InputError
from refsam_zoo.weights.files import StateDict, enumerate_some, load_state_dict
from refsam_zoo.weights.reading import is_safetensors, read_content, refuse_impostor

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

TAKEN_BY = {
    "clipseg": "system clipseg",
    "edgetam_video": "tracker of system grounded_sam2",
    "evf": "systems evf_sam and evf_sam2",
    "grounding-dino": "detector of system grounded_sam2",
    "mm-grounding-dino": "detector of system grounded_sam2",
    "owlv2": "detector of system grounded_sam2",
    "sam2_video": "tracker of system grounded_sam2",
    "sam3_video": "system sam3",
}
"""`model_type` of a `config.json` -> who takes such a folder."""

_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
_SECONDS_TO_ANSWER = 10


@dataclass(frozen=True)
class HubFolder:
    """A published folder, as data.

    Attributes:
        repository: Its name on the hub: "facebook/sam3".
        revision: The commit that is downloaded, 40 hexadecimal digits; empty where none is known, so that nothing is.
        files: What of it is needed.
        size: How much that is: "3.4 GB".
    """

    repository: str
    revision: str
    files: tuple[str, ...]
    size: str

    def locate(self, folder: str | Path | None, download: bool = False, option: str = "weights") -> Path:
        """Finds the files.

        Args:
            folder: Where they are; or None.
            download: If no folder is given, take them from the hub, or from its local cache if they are there.
            option: The option that `folder` comes from, for the message.

        Raises:
            InputError: Neither is given, no such folder, or the hub cannot be reached or refuses.
        """
        if folder is not None:
            return checked_folder(folder)
        if not download:
            allow = ", or allow their download with download=true" if self.revision else ""
            raise InputError(
                f"no {option} given: name a folder with the files of {self.repository} ({', '.join(self.files)}; "
                f"{self.size}){allow}"
            )
        return self._download()

    def _download(self) -> Path:
        from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
        from huggingface_hub.errors import (
            GatedRepoError,
            HfHubHTTPError,
            RepositoryNotFoundError,
            RevisionNotFoundError,
        )

        # the error of the client's HTTP library, another one in almost each release, is a base of the client's own
        no_answer = cast("tuple[type[Exception], ...]", (*HfHubHTTPError.__bases__, ValueError))
        complaint = f"{self.repository} at {self.revision[:12]} cannot be downloaded"
        try:
            with _quiet_hub():
                cached = [try_to_load_from_cache(self.repository, name, revision=self.revision) for name in self.files]
                if not all(isinstance(path, str) for path in cached):
                    # once and without retries, which the client makes for each file
                    address = hf_hub_url(self.repository, self.files[0], revision=self.revision)
                    get_hf_file_metadata(address, timeout=_SECONDS_TO_ANSWER)
                paths = [hf_hub_download(self.repository, name, revision=self.revision) for name in self.files]
        except GatedRepoError as error:
            raise InputError(
                f"{complaint}: its publisher gives access on request; ask for it on its page, then set HF_TOKEN to a "
                "token of your account, or give a folder"
            ) from error
        except (RepositoryNotFoundError, RevisionNotFoundError) as error:
            raise InputError(f"{complaint}: {_first_line(error)}; give a folder with its files instead") from error
        except no_answer as error:
            raise InputError(
                f"{complaint}: the hub does not answer ({_first_line(error)}); give a folder with the files "
                f"{', '.join(self.files)} instead"
            ) from error
        return Path(paths[0]).parent


def checked_folder(folder: str | Path) -> Path:
    """Makes sure that a folder looks like a pretrained model's.

    Raises:
        InputError: No folder, or no `config.json` in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "a file, not a folder; give the folder it is in" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {what}, with 'config.json' and weights as on the hub")
    if not (folder / "config.json").is_file():
        within = sorted(path.parent.name for path in folder.glob("*/config.json"))
        hint = f"; did you mean {folder / within[0]}?" if within else ", as a folder of the hub has"
        raise InputError(f"{folder}: holds no 'config.json'{hint}")
    return folder


def model_type(folder: Path) -> str:
    """Reads from a folder's `config.json` which architecture it holds.

    Raises:
        InputError: The file is damaged or does not say.
    """
    path = folder / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({_first_line(error)}); download it again") from error
    found = content.get("model_type") if isinstance(content, dict) else None
    if not isinstance(found, str):
        raise InputError(f"{path}: no 'model_type', by which transformers tells architectures apart")
    return found


def load_model(folder: Path, classes: Mapping[str, str], what: str) -> PreTrainedModel:
    """Loads a model of the transformers package, every weight of it, in float32 and evaluation mode on the CPU.

    Args:
        folder: As `HubFolder.locate` gives it.
        classes: `model_type` -> class of transformers, for the architectures that will do.
        what: What is loaded, for the message: "system clipseg".

    Raises:
        InputError: Another architecture, a transformers that is too old for it, incomplete or damaged files, or
            missing, unknown or differently shaped weights.
    """
    import transformers

    found = model_type(folder)
    if found not in classes:
        fitting = f"; such a folder is for the {TAKEN_BY[found]}" if found in TAKEN_BY else ""
        raise InputError(f"{folder}: model_type is '{found}', but the {what} takes {' or '.join(classes)}{fitting}")
    model_class = getattr(transformers, classes[found], None)
    if model_class is None:
        raise InputError(
            f"{folder}: transformers {transformers.__version__} is too old for '{found}'; "
            "run pip install --upgrade transformers"
        )
    return load_whole(model_class, folder, read_config(folder))


def load_whole(
    model_class: Any, folder: Path, config: PretrainedConfig, may_lack: str = "", may_exceed: bool = False
) -> PreTrainedModel:
    """Loads a model of a known class, all of it; see `load_model`.

    Args:
        model_class: Of transformers, with `from_pretrained`.
        folder: Whose weights files are checked first.
        config: The model's, changed or as it was read.
        may_lack: How names begin that the files need not hold; empty for none.
        may_exceed: Whether the files may hold more, as those of a model of which a part is taken.

    Raises:
        InputError: Incomplete or damaged files, or weights that do not fit.
    """
    import torch

    files = _checked_weights(folder)
    try:
        with quiet_transformers():
            model, report = model_class.from_pretrained(
                folder,
                config=config,
                local_files_only=True,
                use_safetensors=files[0].suffix == ".safetensors",
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                torch_dtype=torch.float32,
            )
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{folder}: cannot read the weights: {_first_line(error)}") from error
    groups = {
        "missing": [name for name in report["missing_keys"] if not (may_lack and name.startswith(may_lack))],
        "unknown": [] if may_exceed else report["unexpected_keys"],
        "of another shape": [
            f"{name} {[*given]} instead of {[*own]}" for name, given, own in report["mismatched_keys"]
        ],
    }
    complaints = [enumerate_some(what, sorted(names)) for what, names in groups.items() if names]
    if complaints:
        raise InputError(f"{folder}: its weights do not fit {type(model).__name__}: {'; '.join(complaints)}")
    return model


def read_config(folder: Path) -> PretrainedConfig:
    """Reads a folder's `config.json` as transformers does.

    Raises:
        InputError: It is damaged, or of an architecture that this transformers does not know.
    """
    from transformers import AutoConfig

    return _read(AutoConfig, folder, "config.json")


def read_processor(folder: Path, kind: str) -> Any:
    """Reads a tokenizer or what prepares images.

    Args:
        folder: A model's folder.
        kind: Class of transformers: "AutoTokenizer", "AutoImageProcessor", "AutoProcessor".

    Raises:
        InputError: Files are missing or damaged.
    """
    import transformers

    what = {"AutoTokenizer": "tokenizer", "AutoImageProcessor": "image processor"}.get(kind, "processor")
    return _read(getattr(transformers, kind), folder, f"the {what} files")


def _read(auto_class: Any, folder: Path, what: str) -> Any:
    try:
        with quiet_transformers():
            return auto_class.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # a damaged tokenizer.json raises a bare Exception
        raise InputError(f"{folder}: cannot read {what}: {_first_line(error)}") from error


def _checked_weights(folder: Path) -> Sequence[Path]:
    """Finds the files that transformers will take, each of them there and whole."""
    first = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if first is None:
        raise InputError(f"{folder}: holds no weights, neither 'model.safetensors' nor what its index names")
    files = _shards(first) if first.suffix == ".json" else [first]
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        raise InputError(f"{folder}: half a download: {enumerate_some('files missing', missing)} of {len(files)}")
    for path in files:
        _check_whole(path)
    return files


def read_weights(folder: Path) -> StateDict:
    """Reads all tensors of a folder whose model is not of the transformers package.

    Args:
        folder: As `HubFolder.locate` gives it.

    Raises:
        InputError: Incomplete or damaged files.
    """
    state: StateDict = {}
    for path in _checked_weights(folder):
        state |= load_state_dict(path)
    return state


def _shards(index: Path) -> list[Path]:
    try:
        return sorted(
            {index.parent / name for name in json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()}
        )
    except (OSError, ValueError, LookupError, AttributeError, TypeError) as error:
        raise InputError(f"{index}: not an index of weights files; download it again") from error


def _check_whole(path: Path) -> None:
    """Refuses a weights file that was cut off, is something else, or whose reading could run code."""
    from safetensors import SafetensorError, safe_open

    if path.suffix != ".safetensors":
        read_content(path, "cannot be read as a PyTorch state dict, which is what is needed")
        return
    with path.open("rb") as file:
        beginning = file.read(64)
    if not is_safetensors(beginning):
        refuse_impostor(path, beginning)
    try:
        with safe_open(path, "pt"):
            pass
    except SafetensorError as error:
        raise InputError(f"{path}: not a complete safetensors file ({error}); download it again") from error


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keeps transformers from printing inside a `with` block; what matters is said by us."""
    from transformers.utils import logging as messages

    verbosity, bars = messages.get_verbosity(), messages.is_progress_bar_enabled()
    messages.set_verbosity_error()
    messages.disable_progress_bar()
    try:
        yield
    finally:
        messages.set_verbosity(verbosity)
        if bars:
            messages.enable_progress_bar()


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Keeps the hub's client from logging; its progress bars stay."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
