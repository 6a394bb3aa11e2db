"""docs/python.md: its code runs as it stands, and its signatures are those of the code; the notebook runs too."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import refsam_zoo

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
ELSEWHERE = re.compile(r"refsam_zoo\.(data_modules|registry|model\.(?!refsam))")
"""Data sets and parts of one's own have pages of their own."""

METHODS_OF = "refsam_zoo.systems", "refsam_zoo.video", "refsam_zoo.model.refsam"


def run(code: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    for number, block in enumerate(code):
        exec(compile(block, f"block {number}", "exec"), names)


def test_its_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    run(blocks, tmp_path, monkeypatch)


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = json.loads((ROOT / "examples" / "segment_a_video.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    run(["".join(cell["source"]) for cell in cells], tmp_path, monkeypatch)


def signatures() -> Iterator[str]:
    """A line for each public function, class and method, as the page has them."""
    for module, names in refsam_zoo._PUBLIC.items():
        for name in sorted(names):
            entry = getattr(refsam_zoo, name)
            if ELSEWHERE.match(module) or not callable(entry):
                continue
            if not inspect.isclass(entry):
                yield line(name, entry)
                continue
            if "__init__" in vars(entry):
                yield line(name, entry.__init__).removesuffix(" -> None")
            for method, value in vars(entry).items():
                public = not method.startswith("_") or method == "__call__"
                if public and inspect.isroutine(value) and module.startswith(METHODS_OF):
                    yield line(f"{name}.{method}", getattr(value, "__func__", value))


def line(name: str, function: Any) -> str:
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(function)))
    return name + re.sub(r"^\((self|cls)(, )?", "(", text)


def test_its_signatures_are_those_of_the_code() -> None:
    (block,) = re.findall(r"^## Every signature\n.*?^```text\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert block.splitlines() == list(signatures())
