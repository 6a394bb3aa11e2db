"""The folder that `segment` writes, and what may be removed from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.inference.outputs import OUTPUTS
from refsam_zoo.inference.outputs.base import UNFINISHED
from refsam_zoo.output_files import output_path, require_empty, write_whole

LISTING = "expressions.json"


def write_listing(output: Path, video: str, expressions: Mapping[str, str]) -> None:
    """Writes the list of sentences, by which a folder is known as a result.

    Args:
        output: The folder.
        video: Name of the video.
        expressions: Number of each sentence -> the sentence.

    Raises:
        InputError: It cannot be written.
    """
    listing = json.dumps({"video": video, "expressions": expressions}, ensure_ascii=False, indent=2) + "\n"
    write_whole(output_path(output, LISTING), listing.encode(errors="backslashreplace"))  # what JSON reads, too


def require_free(output: Path, overwrite: bool, resume: bool = False) -> None:
    """Makes sure that a result may be written to a folder.

    Args:
        output: The folder.
        overwrite: Whether an earlier result may be in it.
        resume: Whether an earlier result that is not finished may be in it.

    Raises:
        InputError: It holds an earlier result that may not be replaced, or something else.
    """
    if overwrite and resume:
        raise InputError("--resume goes on with an earlier result, --overwrite replaces it; give one of them")
    if not (output / LISTING).is_file():
        require_empty(output)
    elif resume and not (output / UNFINISHED).is_dir():
        raise InputError(f"{output} holds a finished result; nothing is left to resume")
    elif not (overwrite or resume):
        raise InputError(
            f"{output} is not empty: it holds an earlier result; give a new folder, or --overwrite"
            + (", or --resume to finish it" if (output / UNFINISHED).is_dir() else "")
        )


def clear(output: Path) -> None:
    """Removes an earlier result, and nothing else, from a folder.

    Raises:
        InputError: It cannot be removed.
    """
    if not (output / LISTING).is_file():
        return
    try:
        for name in (UNFINISHED, *(OUTPUTS.get(kind).file for kind in OUTPUTS), LISTING):
            if (output / name).is_dir():
                shutil.rmtree(output / name)
            (output / name).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{output}: the earlier result cannot be removed: {error.strerror}") from error
