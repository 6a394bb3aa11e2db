"""What jsonargparse does not publish: what its errors say, and the moment when a class takes another's place."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from jsonargparse import _typehints


class BadNumber(NamedTuple):
    """A number is outside the bounds of its type."""

    key: str
    requirement: str


class UnknownClass(NamedTuple):
    """A name is neither a registered class nor an import path."""

    key: str
    name: str


class MissingClass(NamedTuple):
    """The module of an import path has no such class."""

    key: str
    module: str
    name: str


class MissingModule(NamedTuple):
    """The module of an import path is not there."""

    key: str
    module: str


class OtherClass(NamedTuple):
    """The class of an import path is of another kind."""

    key: str
    class_path: str
    base: str


class OptionOfNothing(NamedTuple):
    """An option of a class came without the class."""

    key: str
    name: str


class MissingClassArguments(NamedTuple):
    """A class has arguments without a default that are not given."""

    key: str
    class_path: str
    names: list[str]


class UnknownClassOption(NamedTuple):
    """A class has no such option."""

    key: str
    class_path: str
    name: str


class MissingArguments(NamedTuple):
    """Arguments without a default are not given."""

    names: list[str]


class UnknownArgument(NamedTuple):
    """The command has no such option."""

    name: str


Refusal = (
    BadNumber | UnknownClass | MissingClass | MissingModule | OtherClass | OptionOfNothing | MissingClassArguments
    | UnknownClassOption | MissingArguments | UnknownArgument
)  # fmt: skip


def refusals(message: str) -> Iterator[Refusal]:
    """Reads what a message may mean.

    Args:
        message: What `ArgumentParser.error` was given, on one line.

    Yields:
        What it says, the most exact first; nothing where it says something else.
    """
    if found := re.search(r"Not of type \w+: (must be .+?)(?: - | Given value type|\. Got value|$)", message):
        yield BadNumber(_whole_key(message[: found.start()]), found[1])
    if found := re.search(
        r'key "([\w.]+)":.*?(?:import path string|Import path .*?|Given value):? ?\'?([\w./-]+)\'?$', message
    ):
        yield UnknownClass(*found.groups())
    if found := re.search(r"given class_path '[\w.]+': module '([\w.]+)' has no attribute '(\w+)'", message):
        yield MissingClass(".".join(_keys(message[: found.start()])), *found.groups())
    if found := re.search(r"No module named '([\w.]+)'", message):
        yield MissingModule(_whole_key(message[: found.start()]), found[1])
    if found := re.search(r"Expected '([\w.]+)' to be a subclass of (?:<class ')?(\w+)", message):
        yield OtherClass(_whole_key(message[: found.start()]), *found.groups())
    if found := re.search(r"Dict must include a class_path .+? but got NestedArg\(key='(\w+)'", message):
        yield OptionOfNothing(_whole_key(message[: found.start()]), found[1])
    if found := re.search(
        r"given class_path '([\w.]+)': the following arguments are required: (\w+(?:, \w+)*)", message
    ):
        yield MissingClassArguments(_whole_key(message[: found.start()]), found[1], found[2].split(", "))
    if found := re.search(r"class_path '([\w.]+)': Option '([\w.]+)' is not accepted", message):
        yield UnknownClassOption(_whole_key(message[: found.start()]), *found.groups())
    if found := re.match(r"the following arguments are required: (.+)$", message):
        yield MissingArguments(found[1].split(", "))
    if found := re.match(r"unrecognized arguments: (--[\w.]+)", message, flags=re.IGNORECASE):
        yield UnknownArgument(found[1])


def _keys(message: str) -> list[str]:
    return re.findall(r'key "([\w.]+)"', message)


def _whole_key(message: str) -> str:
    """Joins the keys of parsers within parsers, each of which may know the whole one already."""
    whole = ""
    for key in _keys(message):
        whole = key if not whole or key.startswith(f"{whole}.") else f"{whole}.{key}"
    return whole


def option_names(parser: ArgumentParser) -> list[str]:
    """Lists the options of a parser, `--` included."""
    return [option for option in parser._option_string_actions if option.startswith("--")]


def causes(error: BaseException) -> Iterator[BaseException]:
    """Goes through what an error was made of.

    Args:
        error: Of making what was parsed.

    Yields:
        The error, what it was raised for, and of a value that fits none of several types what each of them said of
        it: jsonargparse hands on what the first one said, which of a list of loggers is only that it is no logger.
    """
    ahead, seen = [error], set[int]()
    while ahead:
        found = ahead.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        step = found.__traceback__
        while step is not None:
            if step.tb_frame.f_code is _typehints.raise_union_unexpected_value.__code__:
                ahead += reversed(step.tb_frame.f_locals["exceptions"])
            step = step.tb_next
        if (earlier := found.__cause__ or found.__context__) is not None:
            ahead.append(earlier)


@contextmanager
def before_class_changes(prepare: Callable[[Any, Any], None]) -> Iterator[None]:
    """Inside, a function sees every class that takes the place of another one, before options are handed on.

    There is no setting for what is handed on, so the function of jsonargparse that decides it is replaced.

    Args:
        prepare: Is given the previous class and the chosen one, each a mapping with `class_path` and maybe
            `init_args`; what it takes out of the previous options is not handed on.
    """
    decide = _typehints.discard_init_args_on_class_path_change

    def prepare_and_decide(parser_or_action: Any, previous: Any, chosen: Any) -> None:
        if previous and "init_args" in previous and previous["class_path"] != chosen["class_path"]:
            prepare(previous, chosen)
        decide(parser_or_action, previous, chosen)

    _typehints.discard_init_args_on_class_path_change = prepare_and_decide
    try:
        yield
    finally:
        _typehints.discard_init_args_on_class_path_change = decide
