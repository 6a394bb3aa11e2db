"""Modules of other packages imported without what those packages import besides.

A package's `__init__` runs before any module in it, and some import far more than is used here: torchvision, SciPy and
Transformers take longer than PyTorch.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec, module_from_spec
from typing import Any


@contextmanager
def without_init(name: str, **found_in: str) -> Iterator[Any]:
    """Inside, modules of a package are imported without its `__init__`, unless that has run already.

    It runs, as ever, when anything else of the package is asked for, now or later: a program that imports the package
    itself finds all of it.

    Args:
        name: The package.
        found_in: Names that the package itself is asked for, and the module of it that each is from.

    Yields:
        The package; None where its `__init__` has run, or there is none.
    """
    spec = None if name in sys.modules else find_spec(name)
    if spec is None or spec.loader is None:
        yield None
        return
    loader, package = spec.loader, module_from_spec(spec)
    path = package.__path__

    def find(attribute: str) -> Any:
        if attribute in found_in:
            return getattr(importlib.import_module(f"{name}.{found_in[attribute]}"), attribute)
        vars(package).update(__path__=path)
        del vars(package)["__getattr__"]
        loader.exec_module(package)
        return getattr(package, attribute)

    vars(package)["__getattr__"] = find
    sys.modules[name] = package
    try:
        yield package
    finally:
        if vars(package).get("__getattr__") is find:
            del vars(package)["__path__"]  # modules that are imported from now on ask for it
