"""How a part of a model was made: its class and arguments, plain enough for a checkpoint and for YAML."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from refsam_zoo.errors import InputError

T = TypeVar("T")
_NOTHING = object()
_PLAIN = (bool, int, float, str, type(None))


class Made:
    """Remembers the arguments that an object of a subclass is made with; the object knows nothing of it."""

    def __new__(cls: type[T], *args: Any, **kwargs: Any) -> T:
        """Notes the arguments before `__init__` gets them; there are none where an object is copied.

        Raises:
            TypeError: The class takes no arguments. Python itself would let any pass, as `__new__` takes them.
        """
        if (args or kwargs) and cls.__init__ is object.__init__:
            raise TypeError(f"{cls.__name__}() takes no arguments")
        made = object.__new__(cls)
        made.__dict__["_made_with"] = (args, kwargs)
        return made


def recipe(value: Any) -> Any:
    """Describes a value in numbers, texts, lists and mappings, so that it can be made again.

    Args:
        value: A part, given as `{"class_path": ..., "init_args": {...}}`, the way configuration files name it; a class,
            or one with some arguments (`functools.partial`), the same way; a path, given as text; a data class or
            mapping of such values, or a list or tuple of them.

    Raises:
        InputError: Something else, that only a program can make.
    """
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Made):
        return _call(type(value), *value.__dict__["_made_with"])
    if isinstance(value, functools.partial) and inspect.isclass(made := (value.func, *value.args)[-1]):
        # of a class, or of jsonargparse's function that takes one
        return {"class_path": _import_path(made), "init_args": recipe(value.keywords)}
    if inspect.isclass(value):
        return {"class_path": _import_path(value)}
    if dataclasses.is_dataclass(value):
        return {field.name: recipe(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): recipe(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [recipe(item) for item in value]
    raise InputError(f"an object of type {type(value).__name__} cannot be described by plain values")


def recipes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Describes values by name, without those that only a program can make."""
    return {name: made for name, value in values.items() if (made := _recipe_or_nothing(value)) is not _NOTHING}


def _recipe_or_nothing(value: Any) -> Any:
    try:
        return recipe(value)
    except InputError:
        return _NOTHING


def _call(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    signature = inspect.signature(cls)
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    given: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            given |= bound.arguments[name]
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            given[name] = bound.arguments[name]
        elif bound.arguments[name]:
            raise InputError(f"{_import_path(cls)} was made with arguments that have no names")
    return {"class_path": _import_path(cls), "init_args": recipe(given)}


def _import_path(cls: type) -> str:
    if "<" in cls.__qualname__:
        raise InputError(f"{cls.__qualname__} is no class that can be imported")
    return f"{cls.__module__}.{cls.__qualname__}"
