"""What other packages do not publish is used in one place."""

from __future__ import annotations

import ast
import configparser
import importlib
import pkgutil
from collections.abc import Iterator
from inspect import isfunction
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import refsam_zoo
import refsam_zoo.private_parts

ROOT = Path(__file__).resolve().parents[2]
PLACE = Path(refsam_zoo.private_parts.__file__).parent
FILES = [
    path
    for folder in (ROOT / "src", ROOT / "data_modules", ROOT / "examples", ROOT / "scripts")
    for path in sorted(folder.rglob("*.py"))
    if path.parent != PLACE
]
PUBLISHED = {"_asdict", "_fields", "_replace", "_exit"}
"""Names with an underscore that the documentation of Python describes: of named tuples and of `os`."""
READING = {"startswith", "endswith", "removeprefix", "removesuffix"}
EXPRESSIONS = {"search", "match", "fullmatch", "findall", "finditer", "split", "sub"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLISHED


def own_names(tree: ast.AST) -> set[str]:
    """What a file defines: functions, classes, variables, and what it assigns to `self`."""
    names = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            names.add(node.attr)
    return names


def private_names(tree: ast.AST, inherited: set[str]) -> Iterator[str]:
    """Uses of other packages' private names; `inherited` are those that classes of ours have for `self`."""
    own = own_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            parts = [part for alias in node.names for part in (*module.split("."), *alias.name.split("."))]
            if module.split(".")[0] != "refsam_zoo" and any(is_private(part) for part in parts):
                yield ast.unparse(node)
        elif isinstance(node, ast.Attribute) and is_private(node.attr):
            known = own | inherited if ast.unparse(node.value) in ("self", "cls") else own
            if node.attr not in known:
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr", "hasattr", "delattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and is_private(name.value):
                yield ast.unparse(node)


def message_readings(tree: ast.AST) -> Iterator[str]:
    """Expressions that look into what an error or a log record says, and filters that go by it."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            continue
        messages = {"message"}
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and is_message(node.value, set()):
                messages |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        for node in ast.walk(function):
            if reads(node, messages):
                yield ast.unparse(node)


def is_message(node: ast.AST, names: set[str]) -> bool:
    """Whether an expression holds the text of an error, or one of the names of such texts."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in names:
            return True
        if isinstance(part, ast.Call):
            function = ast.unparse(part.func)
            if function.endswith(".getMessage") or (function in ("str", "repr") and "error" in ast.unparse(part)):
                return True
    return False


def reads(node: ast.AST, messages: set[str]) -> bool:
    if isinstance(node, ast.Compare):
        return isinstance(node.ops[0], ast.In | ast.NotIn) and is_message(node.comparators[0], messages)
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    if node.func.attr == "filterwarnings":
        return any(keyword.arg == "message" for keyword in node.keywords)
    of_expression = node.func.attr in EXPRESSIONS and any(is_message(each, messages) for each in node.args)
    return of_expression or (node.func.attr in READING and is_message(node.func.value, messages))


TREES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
OWN = {name for tree in TREES.values() for name in own_names(tree)}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from lightning.fabric.loggers.csv_logs import _ExperimentWriter", 1),
        ("from jsonargparse import _typehints", 1),
        ("import torch._dynamo", 1),
        ("from refsam_zoo.evaluation.png import _chunk", 0),
        ("trainer._logger_connector.update()", 1),
        ("self._action_groups", 1),
        ("self._container.close()", 0),
        ("self._own = 1\nother._own", 0),
        ("optimizer._own = 1\nother._own", 2),
        ("getattr(torch.cpu, '_is_amx_tile_supported', bool)", 1),
        ("counts._replace(frames=1)", 0),
        ("tensor.__class__", 0),
    ],
)
def test_private_names_are_found(code: str, expected: int) -> None:
    assert len([*private_names(ast.parse(code), inherited={"_container"})]) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(message): return re.search('key', message)", True),
        ("def f(error):\n text = ' '.join(str(error).split())\n return re.match('GLOBAL', text)", True),
        ("if 'tab' in str(error.problem): pass", True),
        ("if str(error).startswith('DataLoader worker'): pass", True),
        ("record.getMessage().startswith('Tip')", True),
        ("warnings.filterwarnings('ignore', message='Found')", True),
        ("raise InputError(f'{path}: {str(error).strip()}')", False),
        ("def f(name): return name.startswith('train')", False),
    ],
)
def test_readings_of_messages_are_found(code: str, expected: bool) -> None:
    assert any(message_readings(ast.parse(code))) is expected


@pytest.mark.parametrize("file", TREES)
def test_private_parts_of_others_are_used_in_their_room_only(file: str) -> None:
    assert [*private_names(TREES[file], OWN), *message_readings(TREES[file])] == []


def test_private_methods_of_others_are_overridden_in_their_room_only() -> None:
    wrong = []
    for module in pkgutil.walk_packages(refsam_zoo.__path__, "refsam_zoo."):
        if module.name == "refsam_zoo.__main__" or module.name.startswith(refsam_zoo.private_parts.__name__):
            continue
        for kind in vars(importlib.import_module(module.name)).values():
            if isinstance(kind, type) and kind.__module__ == module.name:
                foreign = [base for base in kind.__mro__[1:] if base.__module__.split(".")[0] != "refsam_zoo"]
                names = {name for base in foreign for name in vars(base)}
                private = {name for name, value in vars(kind).items() if is_private(name) and isfunction(value)}
                wrong += [f"{kind.__qualname__}.{name}" for name in private & names]
    assert wrong == []


def test_every_file_has_a_test_and_the_first_release_tried_is_the_floor(tried: dict[str, tuple[str, str, str]]) -> None:
    assert {path.stem for path in PLACE.glob("[!_]*.py")} == set(tried)
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = (parser["options"]["install_requires"] + parser["options.extras_require"]["train"]).split("\n")
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    for package, first, _ in tried.values():
        (specifier,) = [found.specifier for found in requirements if found.name == package]
        (floor,) = [each.version for each in specifier if each.operator == ">="]
        assert Version(first) == Version(floor), package
