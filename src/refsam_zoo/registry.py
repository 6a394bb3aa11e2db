"""Typed tables from a short name to a class: one for each swappable part of the model.

The name of a class *is* the name a user types, so that jsonargparse resolves `--model.image_encoder vit_l` by its own
rule for short class names, shows and checks the class's own options, and accepts any class of the right base by its
import path without registration.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from refsam_zoo.errors import InputError, nearest_name

T = TypeVar("T")
C = TypeVar("C", bound=type)

ROLES: dict[str, Registry[Any]] = {}
"""Option name -> the registry whose names it takes; every registry enters itself."""


@dataclass(frozen=True)
class ModelCard:
    """What a reader of the zoo table wants to know about an entry.

    Attributes:
        family: The architecture's name.
        weights: Where pretrained weights come from, or "none".
        licence: SPDX identifier of the weights' licence, or "-".
        paper: arXiv identifier, or "-".
        sha256: SHA-256 of the weights file in hexadecimal where it is known, or "-".
        limits: What it cannot do, in a line; empty for parts of a model.
        parameters: Those of the published weights, of an entry that cannot be built without them.
    """

    family: str
    weights: str = "none"
    licence: str = "-"
    paper: str = "-"
    sha256: str = "-"
    limits: str = ""
    parameters: int | None = None


class Registry(Generic[T]):
    """Name -> class for one role.

    Args:
        role: What the entries are, as a user reads it: "image encoder".
        options: Options of configurations and command lines that take its names: "image_encoder".
        package: Whose modules have the entries and are imported when they are first asked for.
    """

    def __init__(self, role: str, options: Sequence[str] = (), package: str | None = None) -> None:
        self.role = role
        self._package = package
        self._entries: dict[str, tuple[type[T], ModelCard]] = {}
        self._families: dict[str, str] = {}
        ROLES.update(dict.fromkeys(options, self))

    def register(self, card: ModelCard, member: str | None = None) -> Callable[[C], C]:
        """Makes a class known under its own name.

        Args:
            card: What the zoo's table says of it.
            member: Option that picks a member, where the class stands for a family: `<name>/<member>` is short for it.

        Raises:
            ValueError: The name is taken or not lower case.
        """

        def add(cls: C) -> C:
            name = cls.__name__
            if name != name.lower():
                raise ValueError(f"the name of a registered {self.role} is lower case, not '{name}'")
            if name in self._entries:
                raise ValueError(f"a {self.role} named '{name}' is registered already")
            self._entries[name] = (cls, card)
            if member is not None:
                self._families[name] = member
            return cls

        return add

    def fill(self) -> None:
        """Imports the modules of the package, unless that is done."""
        if self._package is not None:
            for module in pkgutil.iter_modules(importlib.import_module(self._package).__path__):
                importlib.import_module(f"{self._package}.{module.name}")
            self._package = None

    def spell_out(self, name: str) -> tuple[str, dict[str, str]]:
        """Takes the short form `<family>/<member>` apart into entry and option; other names stay as they are."""
        self.fill()
        family, slash, member = name.partition("/")
        return (family, {self._families[family]: member}) if slash and family in self._families else (name, {})

    def get(self, name: str) -> type[T]:
        """Gives the class of a name.

        Raises:
            InputError: Unknown name; the message suggests the nearest one.
        """
        if name not in self:
            raise InputError(f"unknown {self.role} '{name}'{nearest_name(name, self._entries)}")
        return self._entries[name][0]

    def build(self, name: str, **options: Any) -> T:
        """Builds an entry, also by its short form; errors of its constructor come through unchanged."""
        entry, chosen = self.spell_out(name)
        return self.get(entry)(**chosen, **options)

    @contextmanager
    def suggesting(self, option: str, path: str | Path) -> Iterator[None]:
        """Adds to an `InputError` inside which entries a weights file would have fitted: "this looks like vit_l".

        Args:
            option: The constructor's option that takes the file.
            path: The file.
        """
        import torch

        try:
            yield
        except InputError as error:
            if torch.empty(0).is_meta:  # asked by this very search; PyTorch 2.6 does not say it of the default device
                raise
            with torch.device("meta"):  # shapes without memory
                fitting = [name for name in self if self._fits(name, {option: path})]
            if not fitting:
                raise
            raise InputError(f"{error}; this looks like {' or '.join(fitting)}") from error

    def _fits(self, name: str, options: dict[str, Any]) -> bool:
        try:
            self.build(name, **options)
        except (InputError, TypeError):  # the latter of an entry that has no such option or needs others too
            return False
        return True

    def card(self, name: str) -> ModelCard:
        """Gives the card of a name."""
        self.get(name)
        return self._entries[name][1]

    def __iter__(self) -> Iterator[str]:
        self.fill()
        return iter(sorted(self._entries))

    def __contains__(self, name: object) -> bool:
        self.fill()
        return name in self._entries
