"""Makes the virtual environment of this checkout; `make setup` calls it. Needs nothing but Python >= 3.10."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def run(*command: str | Path) -> bool:
    """Runs a command, shows it and says whether it succeeded."""
    words = [str(word) for word in command]
    print("+", " ".join(words), flush=True)
    return subprocess.run(words, cwd=CHECKOUT).returncode == 0


def answers(python: Path, code: str) -> bool:
    """Whether an interpreter exists and runs some code without an error."""
    return python.exists() and subprocess.run([python, "-c", code], capture_output=True).returncode == 0


def refuse_other_folders(venv: Path) -> None:
    """Stops before a folder that holds something else, the system's own Python above all, is made an environment."""
    is_environment = any((venv / name).exists() for name in ("pyvenv.cfg", "conda-meta"))
    if venv.exists() and any(venv.iterdir()) and not is_environment:
        sys.exit(f"error: {venv} is neither empty nor a virtual environment; nothing was changed")


def create(venv: Path, python: Path, *options: str) -> None:
    """Makes the environment with pip in it; repairs one that was left half made, keeps a whole one."""
    if answers(python, "import pip") or (answers(python, "") and run(python, "-m", "ensurepip")):
        print(f"Using the environment {venv}")
    # Debian's python3 comes without ensurepip; where the interpreter itself has a pip, that one helps out.
    elif not run(sys.executable, "-m", "venv", *options, venv) and not (
        run(sys.executable, "-m", "venv", "--without-pip", *options, venv)
        and run(sys.executable, "-m", "pip", "--python", python, "install", "pip")
    ):
        sys.exit(f"error: {sys.executable} cannot make a virtual environment (on Debian: apt install python3-venv)")


def install(venv: Path, python: Path, lowest: bool = False) -> None:
    """Installs the package, editable, with all it needs: by uv, and by pip where uv cannot and versions are free."""
    pip = (python, "-m", "pip", "install")
    uv = (python, "-m", "uv", "pip", "install", "--python", python)
    # torch and torchvision stand in the same command, so that a resolver picks builds that fit each other.
    package = ("--editable", ".[dev]")
    configuration = venv / "pyvenv.cfg"
    if lowest:
        if not (run(*pip, "uv") and run(*uv, "--resolution", "lowest-direct", *package)):
            sys.exit("error: the lowest versions that setup.cfg allows cannot be installed; the lines above say why")
        return
    # uv does not see the packages of the interpreter below an environment, pip does.
    shared = configuration.exists() and "include-system-site-packages = true" in configuration.read_text()
    if not shared and run(*pip, "uv") and run(*uv, *package):
        return
    if not run(*pip, *package):
        sys.exit("error: the installation failed; the lines above say why")


def compile_packages(python: Path) -> None:
    """Compiles what is installed, which uv leaves to the first import, and PYTHONDONTWRITEBYTECODE to every import."""
    code = "import sysconfig; print(*{sysconfig.get_path(name) for name in ('purelib', 'platlib')}, sep='\\n')"
    folders = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    # It fails where a single file does not compile: templates and code for other Pythons, which nobody imports.
    run(python, "-m", "compileall", "-qq", "-j", "0", *folders)


def check(python: Path) -> None:
    """Makes sure that torch and torchvision fit each other, unlike a CPU build of one and a CUDA build of the other."""
    if not answers(python, "import torch, torchvision"):
        sys.exit(
            "error: the installed torch and torchvision do not fit each other; remove both and run make setup again: "
            f"{python} -m pip uninstall torch torchvision"
        )


def main() -> None:
    """Creates, installs, compiles, checks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("venv", type=Path, help="folder of the environment")
    parser.add_argument("--system-site-packages", action="store_true", help="let it see the interpreter's own packages")
    parser.add_argument("--lowest", action="store_true", help="install the lowest versions that setup.cfg allows")
    arguments = parser.parse_args()
    venv = (CHECKOUT / arguments.venv).absolute()
    python = venv / "bin" / "python"
    refuse_other_folders(venv)
    create(venv, python, *(["--system-site-packages"] if arguments.system_site_packages else []))
    install(venv, python, arguments.lowest)
    if not arguments.lowest:  # a few tests compile what they import
        compile_packages(python)
    check(python)


if __name__ == "__main__":
    main()
