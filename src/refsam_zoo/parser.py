"""A parser whose errors are one line, with the nearest valid name."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from docstring_parser import parse
from jsonargparse import ActionYesNo, ArgumentParser, set_parsing_settings

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.registry import Registry

# the docstrings under the attributes of data classes become the help of their options
set_parsing_settings(docstring_parse_attribute_docstrings=True)

ROLES: dict[str, Registry[Any]] = {}
"""Option name -> the registry whose names it takes; filled by whoever imports the registries."""


class OneLineErrors(ArgumentParser):
    """Raises `InputError` instead of printing usage and leaving."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Turns a parsing error into an `InputError`."""
        raise InputError(self._explain(" ".join(message.split()))) from ex

    def instantiate(self, *args: Any, **kwargs: Any) -> Any:
        """Makes the objects; what their constructors find wrong comes through as it is, also out of a union's types."""
        try:
            return super().instantiate(*args, **kwargs)
        except ValueError as error:
            raise _own_words(error) or error from error

    def _explain(self, message: str) -> str:
        wrong_name = re.search(
            r'key "([\w.]+)":.*?(?:import path string|Import path .*?|Given value):? ?\'?([\w./-]+)\'?$', message
        )
        if wrong_name:
            key, name = wrong_name.groups()
            registry = ROLES.get(key.rsplit(".", 1)[-1])
            if registry is not None and "." not in name:
                return f"--{key}: unknown {registry.role} '{name}'{nearest_name(name, registry)}"
        inner = re.search(r"Errors: - --([\w.]+: .+?)(?: - Expected a |$)", message)  # what a class's own parser said
        if inner:
            return f"--{'.'.join([*_keys(message[: inner.start()]), inner[1]])}"
        missing = re.search(r"given class_path '[\w.]+': module '([\w.]+)' has no attribute '(\w+)'", message)
        if missing:
            module, name = missing.groups()
            keys = ".".join(_keys(message[: missing.start()]))
            return f"--{keys}: {module} has no {name}{_close_to(name, vars(sys.modules[module]))}"
        unknown = re.match(r"unrecognized arguments: (--[\w.]+)", message, flags=re.IGNORECASE)
        if unknown:
            valid = [option for option in self._option_string_actions if option.startswith("--")]
            return f"unknown option '{unknown[1]}'{_close_to(unknown[1], valid)}; {self.prog} --help lists them"
        return message


class OneLineParser(OneLineErrors):
    """The parser of a command that is a plain function."""

    def add_positionals(self, function: Callable[..., Any]) -> set[str | int]:
        """Adds the parameters that stand before `*` and have no default; a sequence takes one value or more.

        Returns:
            Their names.
        """
        hints, help_texts = get_type_hints(function), _help_texts(function)
        names = [
            name
            for name, parameter in inspect.signature(function).parameters.items()
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.default is parameter.empty
        ]
        for name in names:
            several = get_origin(hints[name]) in (list, Sequence)
            kind = get_args(hints[name])[0] if several else hints[name]
            options: dict[str, Any] = {"nargs": "+"} if several else {}
            self.add_argument(name, type=kind, help=help_texts.get(name), **options)
        return set(names)

    def add_flags(self, function: Callable[..., Any]) -> set[str | int]:
        """Adds the yes-or-no options, which need no value: `--markdown`.

        Returns:
            Their names.
        """
        help_texts = _help_texts(function)
        names = [name for name, hint in get_type_hints(function).items() if hint is bool and name != "return"]
        for name in names:
            default = inspect.signature(function).parameters[name].default
            self.add_argument(f"--{name}", action=ActionYesNo, nargs="?", default=default, help=help_texts.get(name))
        return set(names)


def _own_words(error: BaseException | None) -> InputError | None:
    """Finds the `InputError` that an error of jsonargparse, which catches every `ValueError`, was made of."""
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error


def _keys(message: str) -> list[str]:
    return re.findall(r'key "([\w.]+)"', message)


def _close_to(name: str, valid: Iterable[str]) -> str:
    """As `nearest_name`, without the list of what is valid: for where that is long."""
    return nearest_name(name, valid).split(" (valid")[0]


def _help_texts(function: Callable[..., Any]) -> dict[str, str | None]:
    return {entry.arg_name: entry.description for entry in parse(function.__doc__ or "").params}
