from __future__ import annotations

import importlib.util
import subprocess
import sys
import venv
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "setup_environment.py"


def test_folder_that_is_no_environment_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").write_text("not an environment")

    outcome = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True)

    assert outcome.returncode == 1
    assert outcome.stderr == f"error: {tmp_path} is neither empty nor a virtual environment; nothing was changed\n"
    assert outcome.stdout == "", "no command ran"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bin", "tool"]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("setup_environment", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_lowest_versions_that_cannot_be_installed_are_one_line(tmp_path: Path) -> None:
    """They are not replaced by others, as pip would."""
    with pytest.raises(SystemExit, match=r"the lowest versions that setup\.cfg allows cannot be installed"):
        load().install(tmp_path, Path("false"), lowest=True)


def test_packages_are_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the user's shell keeps Python from compiling, and beside a file that cannot be."""
    script = load()
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    venv.create(tmp_path, symlinks=True)
    (site_packages,) = tmp_path.glob("lib/python*/site-packages")
    (site_packages / "package" / "part").mkdir(parents=True)
    for name in ("package/__init__.py", "package/part/module.py", "single.py"):
        (site_packages / name).write_text("value = 1\n")
    (site_packages / "package" / "template.py").write_text("def {{ name }}:\n")

    script.compile_packages(tmp_path / "bin" / "python")

    compiled = {path.name.split(".")[0] for path in site_packages.rglob("__pycache__/*.pyc")}
    assert compiled == {"__init__", "module", "single"}
