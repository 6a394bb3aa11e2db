"""The reader's map in CONTRIBUTING.md is true: each file is there and holds what it says; one new file is enough."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from refsam_zoo.cli import COMMANDS

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Where to change what")[1].split("\n## ")[0]
ROWS = re.findall(r"^\| ([^|`]+) \| `([^`]+)` \| `(\w+)`", TEXT, flags=re.MULTILINE)
CHANGES = (
    "an image or text encoder", "a data set", "a protocol", "a tuner", "a tracker", "a system", "a command",
    "a video reader", "a loss", "an output format", "the overlay",
)  # fmt: skip


def there(file: str, name: str) -> Any:
    module = file.removeprefix("src/refsam_zoo/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return getattr(importlib.import_module(f"refsam_zoo.{module}"), name)


def test_each_change_has_a_row() -> None:
    assert tuple(change for change, _, _ in ROWS) == CHANGES


@pytest.mark.parametrize(("file", "name"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_the_file_holds_what_the_map_says(file: str, name: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"^(class )?{name}\b", text, flags=re.MULTILINE), "it is imported there, not made"
    assert there(file, name) is not None


def test_the_readme_leads_to_the_map() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "CONTRIBUTING.md#where-to-change-what" in readme
    rooms = re.findall(r"^\| `([\w/]+)/` \|", readme, flags=re.MULTILINE)
    assert {"data_modules", "src/refsam_zoo/model", "src/refsam_zoo/commands"} <= set(rooms)
    assert [room for room in rooms if not (ROOT / room / "__init__.py").is_file()] == []


def test_commands_have_their_file() -> None:
    for command in COMMANDS:
        assert callable(there(f"src/refsam_zoo/commands/{command}.py", command))


FOLDERS = {
    "systems": ("VideoSegmenter", "SYSTEMS"),
    "model/image_encoders": ("ImageEncoder", "IMAGE_ENCODERS"),
    "model/text_encoders": ("TextEncoder", "TEXT_ENCODERS"),
    "model/tuners": ("Tuner", "TUNERS"),
    "model/trackers": ("Tracker", "TRACKERS"),
    "model/prompts": ("DensePrompt", "DENSE_PROMPTS"),
    "model/mask_decoders": ("MaskDecoder", "MASK_DECODERS"),
}
NEW_ENTRY = """
from refsam_zoo.{module}.base import {registry}, {base}
from refsam_zoo.registry import ModelCard


@{registry}.register(ModelCard("new"))
class new_in_{name}({base}):
    pass
"""
NEW_COMMAND = '''
def list() -> None:
    """Says where it is."""
    print("a file of its own")
'''
LOOK_UP = """
import refsam_zoo.zoo
from refsam_zoo.cli import main
from refsam_zoo.registry import ROLES

print(*sorted({name for registry in ROLES.values() for name in registry if name.startswith("new_in_")}))
main(["list"])
"""


@pytest.mark.slow
def test_one_new_file_is_enough(tmp_path: Path) -> None:
    package = tmp_path / "refsam_zoo"
    shutil.copytree(ROOT / "src" / "refsam_zoo", package)
    shutil.copytree(ROOT / "data_modules", package / "data_modules")
    for folder, (base, registry) in FOLDERS.items():
        name = Path(folder).name
        text = NEW_ENTRY.format(module=folder.replace("/", "."), name=name, base=base, registry=registry)
        (package / folder / "new_file.py").write_text(text)
    (package / "commands" / "list.py").write_text(NEW_COMMAND)
    outcome = subprocess.run(
        [sys.executable, "-c", LOOK_UP],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    expected = " ".join(sorted(f"new_in_{Path(folder).name}" for folder in FOLDERS))
    assert outcome.stdout == f"{expected}\na file of its own\n", outcome.stderr
