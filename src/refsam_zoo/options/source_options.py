"""The options of a class or function from its source: for what is to be known before an import that takes seconds."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from docstring_parser import parse


class Place(NamedTuple):
    """Where a class, function or method is.

    Attributes:
        package: Top-level package, which is not imported.
        file: File in it.
        name: Of a class or function in that file, or `Class.method`.
    """

    package: str
    file: str
    name: str


class SourceOption(NamedTuple):
    """A parameter or a field of a data class.

    Attributes:
        name: Its name.
        kind: Its annotation.
        default: Its default as the help of a command shows it; None where it has none.
        text: What the documentation says of it.
    """

    name: str
    kind: str
    default: str | None
    text: str


class Source(NamedTuple):
    """What a source says of a class or function.

    Attributes:
        summary: First sentence of its documentation.
        options: Parameters of a function or constructor without `self` and those of `*` and `**`, or fields of a data
            class.
    """

    summary: str
    options: list[SourceOption]


@lru_cache
def read_source(place: Place) -> Source:
    """Reads the options of a class or function; there are none where there is no such package, file or thing."""
    found = _definition(place)
    if found is None:
        return Source("", [])
    made = found if isinstance(found, ast.FunctionDef) else _member(found, "__init__")
    documented = [ast.get_docstring(node) or "" for node in (made, found) if node is not None]
    texts = {entry.arg_name: entry.description or "" for text in documented for entry in parse(text).params}
    options = _parameters(made) if isinstance(made, ast.FunctionDef) else _fields(found)
    summary = re.split(r"(?<=\.)\s|\n\n", next((text for text in reversed(documented) if text), ""))[0]
    described = [each._replace(text=_one_line(texts.get(each.name, each.text))) for each in options]
    return Source(_one_line(summary), described)


def registered_names(folder: str, registry: str) -> list[str]:
    """Lists the names that the modules of a folder of `refsam_zoo` enter into a registry.

    Args:
        folder: `model/tuners`
        registry: The registry's own name, `TUNERS`.
    """
    entry = re.compile(rf"^@{registry}\.register\(.*?^class (\w+)", re.MULTILINE | re.DOTALL)
    modules = _file("refsam_zoo", folder).glob("*.py")
    return sorted(name for module in modules for name in entry.findall(module.read_text(encoding="utf-8")))


def _file(package: str, path: str) -> Path:
    spec = find_spec(package)
    return Path((spec and spec.origin) or "").parent / path


def _definition(place: Place) -> ast.ClassDef | ast.FunctionDef | None:
    source = _file(place.package, place.file)
    found: ast.AST | None = ast.parse(source.read_text(encoding="utf-8")) if source.is_file() else None
    for name in place.name.split("."):
        found = None if found is None else _member(found, name)
    return found if isinstance(found, ast.ClassDef | ast.FunctionDef) else None


def _member(parent: ast.AST, name: str) -> ast.ClassDef | ast.FunctionDef | None:
    defined = (node for node in getattr(parent, "body", []) if isinstance(node, ast.ClassDef | ast.FunctionDef))
    return next((node for node in defined if node.name == name), None)


def _parameters(function: ast.FunctionDef) -> list[SourceOption]:
    given = function.args
    arguments = [*given.args, *given.kwonlyargs]
    defaults = [*[None] * (len(given.args) - len(given.defaults)), *given.defaults, *given.kw_defaults]
    return [
        SourceOption(argument.arg, _code(argument.annotation), _shown(default), "")
        for argument, default in zip(arguments, defaults, strict=True)
        if argument.arg != "self"
    ]


def _fields(found: ast.AST) -> list[SourceOption]:
    """Fields of a data class, each with the docstring under it."""
    options = []
    for node, below in pairwise([*getattr(found, "body", []), None]):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            documented = isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
            text = str(below.value.value) if documented else ""
            options.append(SourceOption(node.target.id, _code(node.annotation), _shown(node.value), text))
    return options


def _code(node: ast.expr | None) -> str:
    return "" if node is None else ast.unparse(node)


def _shown(default: ast.expr | None) -> str | None:
    if isinstance(default, ast.Constant):
        return "null" if default.value is None else str(default.value)
    return None if default is None else ast.unparse(default)


def _one_line(text: str) -> str:
    return " ".join(text.split())
