"""The folder that `segment` writes, and what may be removed from it."""

from __future__ import annotations

import shutil
from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.output_files import require_empty

LISTING, OVERLAY, STILL, MASKS = "expressions.json", "overlay.mp4", "still.png", "masks"


def require_free(output: Path, overwrite: bool) -> None:
    """Makes sure that a result may be written to a folder.

    Args:
        output: The folder.
        overwrite: Whether an earlier result may be in it.

    Raises:
        InputError: It holds an earlier result that may not be replaced, or something else.
    """
    holds_result = (output / LISTING).is_file()
    if holds_result and not overwrite:
        raise InputError(f"{output} is not empty: it holds an earlier result; give a new folder, or --overwrite")
    if not holds_result:
        require_empty(output)


def clear(output: Path) -> None:
    """Removes an earlier result, and nothing else, from a folder.

    Raises:
        InputError: It cannot be removed.
    """
    if not (output / LISTING).is_file():
        return
    try:
        if (output / MASKS).is_dir():
            shutil.rmtree(output / MASKS)
        for name in (OVERLAY, STILL, LISTING):
            (output / name).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{output}: the earlier result cannot be removed: {error.strerror}") from error
