"""`base: vit_b.yaml` in a configuration file: the files that it starts from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from refsam_zoo.errors import InputError, nearest_name

KEY = "base"
"""The key at the top of a file; it is no option, so no saved configuration has it."""

Options = dict[str, Any]


def files_in_order(
    path: Path, read: Callable[[Path], Options], behind: tuple[Path, ...] = ()
) -> list[tuple[Path, Options]]:
    """Reads a configuration file and those it starts from, to be merged as several `--config` are.

    Args:
        path: The file. The value of its key `base` is a path relative to its folder, or a list of such paths.
        read: Reads one file.
        behind: The files that start from this one.

    Returns:
        Files with their options in the order in which they are merged, the file itself last; `base` is still in them.

    Raises:
        InputError: The value of `base` is no path, names no file, or leads back to the file itself.
    """
    options = read(path)
    found = list[tuple[Path, Options]]()
    for base in _bases(path, options.get(KEY, [])):
        if base.resolve() in {file.resolve() for file in (path, *behind)}:
            raise InputError(f"{path}: {KEY}: '{base}' starts from this file; a base must not lead back to it")
        found += files_in_order(base, read, (path, *behind))
    return [*found, (path, options)]


def _bases(path: Path, value: Any) -> list[Path]:
    names = value if isinstance(value, list) else [value]
    for name in names:
        if not isinstance(name, str) or not name:
            raise InputError(f"{path}: {KEY}: must be the path of a configuration file or a list of them, not {name!r}")
        base = path.parent / name
        if not base.is_file():
            beside = sorted(file.name for file in base.parent.glob("*.yaml") if file.name != path.name)
            near = nearest_name(base.name, beside) if beside else ""
            raise InputError(f"{path}: {KEY}: there is no file '{base}'{near}")
    return [path.parent / name for name in names]
