"""Reading pickled annotations without running what is in them."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import NoReturn

from refsam_zoo.annotations.files import Entry
from refsam_zoo.errors import InputError

DAMAGED = (EOFError, ValueError, IndexError, KeyError, TypeError, AttributeError, MemoryError, OverflowError)


class _PlainUnpickler(pickle.Unpickler):
    """Builds lists, dicts, strings, numbers, None and tuples of them; everything else needs a class."""

    def find_class(self, module: str, name: str) -> NoReturn:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which plain data never does")

    def persistent_load(self, key: object) -> NoReturn:
        raise pickle.UnpicklingError("it asks for a stored object, which plain data never does")


def read_pickle(path: Path) -> Entry:
    """Reads a pickle file that holds only plain data, such as RefCOCO's `refs(unc).p`.

    Nothing in the file is run: a pickle runs code by naming a class or function, and naming any is an error here.

    Raises:
        InputError: The file is missing or damaged, or names a class or function.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the annotation file: {error.strerror}") from error
    try:
        # Files written by Python 2 hold their text as bytes.
        return Entry(_PlainUnpickler(io.BytesIO(data), encoding="latin1").load(), path)
    except (pickle.UnpicklingError, *DAMAGED) as error:
        raise InputError(f"{path}: refused: {' '.join(str(error).split())[:200]}") from error
