"""The options of a class from its source: for what must be known before a package that takes seconds is imported."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path


def parameter_names(package: str, file: str, name: str) -> list[str]:
    """Reads the names of a constructor's parameters.

    Args:
        package: Top-level package, which is not imported.
        file: File in it.
        name: Class in that file.

    Returns:
        The names without `self`; none where there is no such package, file, class or constructor.
    """
    spec = find_spec(package)
    source = Path((spec and spec.origin) or "").parent / file
    if not source.is_file():
        return []
    for found in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(found, ast.ClassDef) and found.name == name:
            for part in found.body:
                if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                    return [each.arg for each in (*part.args.args[1:], *part.args.kwonlyargs)]
    return []
