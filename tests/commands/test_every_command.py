"""Each command is one file with one function, and explains all that can be typed."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import refsam_zoo.commands
from refsam_zoo.cli import COMMANDS, main

FOLDER = Path(refsam_zoo.commands.__file__).parent


def test_there_is_a_file_for_each_command_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == {*COMMANDS, "trainer", "__init__"}


@pytest.mark.parametrize("name", [*COMMANDS, "trainer"])
def test_a_file_has_one_public_function(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    assert [one for one in defined if not one.startswith("_")] == [name]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_explains_each_option(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main([name, "--help"])
    except SystemExit as ended:  # as the parsers do it
        code = ended.code
    assert code == 0
    text = " ".join(capsys.readouterr().out.split())
    module = __import__(f"refsam_zoo.commands.{name}", fromlist=[name])
    function = getattr(module, name)
    assert function.__doc__.splitlines()[0] in text
    described = inspect.getdoc(function).partition("Args:")[2]
    for parameter in inspect.signature(function).parameters.values():
        assert f"{parameter.name}: " in described
        if parameter.kind is not parameter.VAR_KEYWORD:
            assert parameter.name in text
