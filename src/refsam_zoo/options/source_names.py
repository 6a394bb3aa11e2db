"""The options of a class or function from its source: for what is to be known before an import that takes seconds."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

NESTED = {
    "trainer": [("lightning", "pytorch/trainer/trainer.py", "Trainer")],
    "model": [
        ("refsam_zoo", "training/module.py", "ReferringSegmentation"),
        ("refsam_zoo", "model/composition.py", "compose"),
    ],
}
"""First part of an option's name -> whose parameters the second parts are, as `parameter_names` takes it."""


def nested_options(first: str) -> list[str]:
    """Second parts of the names of options, of `trainer` or `model`."""
    return [name for place in NESTED[first] for name in parameter_names(*place)]


def parameter_names(package: str, file: str, name: str) -> list[str]:
    """Reads the names of the parameters of a function or a class's constructor.

    Args:
        package: Top-level package, which is not imported.
        file: File in it.
        name: Class or function in that file.

    Returns:
        The names without `self` and those of `*` and `**`; none where there is no such package, file or thing.
    """
    spec = find_spec(package)
    source = Path((spec and spec.origin) or "").parent / file
    if not source.is_file():
        return []
    body = ast.parse(source.read_text(encoding="utf-8")).body
    for found in body:
        if isinstance(found, ast.ClassDef) and found.name == name:
            body, name = found.body, "__init__"
    for found in body:
        if isinstance(found, ast.FunctionDef) and found.name == name:
            return [each.arg for each in (*found.args.args, *found.args.kwonlyargs) if each.arg != "self"]
    return []
