"""A parser whose errors are one line, with the nearest valid name."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

import yaml
from docstring_parser import parse
from jsonargparse import ActionConfigFile, ActionYesNo, ArgumentParser, set_parsing_settings

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.former_names import present_name, with_present_names
from refsam_zoo.options import base_files
from refsam_zoo.private_parts.jsonargparse_parser import (
    BadNumber,
    MissingArguments,
    MissingClass,
    MissingClassArguments,
    MissingModule,
    OptionOfNothing,
    OtherClass,
    Refusal,
    UnknownArgument,
    UnknownClass,
    UnknownClassOption,
    causes,
    option_names,
    refusals,
)
from refsam_zoo.registry import ROLES


def explain_fields(arguments: Sequence[str]) -> None:
    """Has the docstrings under the fields of data classes become the help of their options, where any is asked for.

    They are found by parsing the source of every class that an option may name, which takes longer than all else here.

    Args:
        arguments: Those of the command.
    """
    asked = any(re.fullmatch(r"-h|--(.+\.)?help(=.*)?|--print_config=.*comments.*", argument) for argument in arguments)
    set_parsing_settings(docstring_parse_attribute_docstrings=asked)


class OneLineErrors(ArgumentParser):
    """Raises `InputError` instead of printing usage and leaving."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Turns a parsing error into an `InputError`; of a parser within another, that one does, with the whole key."""
        if not self.exit_on_error:
            super().error(message, ex)
        raise InputError(self._explain(" ".join(message.split()))) from ex

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, *more: Any, **options: Any
    ) -> Any:
        """Takes short forms too, such as `--model.image_encoder timm/resnet50`."""
        return super().parse_args(None if args is None else _spelled_out_flags(args), *more, **options)

    def instantiate(self, *args: Any, **options: Any) -> Any:
        """Builds what was parsed; what a constructor says of its input arrives as the `InputError` it was."""
        try:
            return super().instantiate(*args, **options)
        except ValueError as error:
            own_words = next((cause for cause in causes(error) if isinstance(cause, InputError)), None)
            if own_words is None:
                raise
            raise own_words from None  # it is itself among the causes of the error

    def _explain(self, message: str) -> str:
        explanations = (self._explanation(refusal) for refusal in refusals(message))
        return next((text for text in explanations if text is not None), message)

    def _explanation(self, refusal: Refusal) -> str | None:
        match refusal:
            case BadNumber(key, requirement):
                return f"--{key} {requirement}"
            case UnknownClass(key, name):
                registry = ROLES.get(key.rsplit(".", 1)[-1])
                if registry is not None and "." not in name:
                    return f"--{key}: unknown {registry.role} '{name}'{nearest_name(name, registry)}"
            case MissingClass(key, module, name):
                return f"--{key}: {module} has no {name}{_close_to(name, vars(sys.modules[module]))}"
            case MissingModule(key, module):
                return f"--{key}: there is no module {module}"
            case OtherClass(key, class_path, base):
                return f"--{key}: {class_path} is no {base}"
            case OptionOfNothing(key, name):
                return f"--{key}.{name} is an option of what? Give --{key} NAME first"
            case MissingClassArguments(key, class_path, names):
                needed = ", ".join(f"--{key}.{name}" for name in names)
                return f"missing: {needed}, which {class_path.rsplit('.', 1)[-1]} needs"
            case UnknownClassOption(key, class_path, name):
                valid = _options_of(class_path)
                takes = nearest_name(name, valid) if valid else " (it has none)"
                return f"--{key}.{name}: {class_path.rsplit('.', 1)[-1]} has no option '{name}'{takes}"
            case MissingArguments(names):
                known = option_names(self)
                shown = (f"--{name}" if f"--{name}" in known else name.upper() for name in names)
                return f"missing: {', '.join(shown)}; {self.prog} --help explains them"
            case UnknownArgument(name):
                return f"unknown option '{name}'{_close_to(name, option_names(self))}; {self.prog} --help lists them"
        return None


class ConfigFile(ActionConfigFile):
    """The option `--config`: a YAML file that is nothing of the kind is named, with the line."""

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: str | None = None) -> None:
        """Reads the file before jsonargparse does, which says neither its name nor how it should be."""
        if not (isinstance(values, str) and Path(values).is_file()):
            super().__call__(parser, cfg, values, option_string)
            return
        for path, options in base_files.files_in_order(Path(values), _read_options):
            own = {key: value for key, value in options.items() if key != base_files.KEY}
            spelled_out = _spelled_out(with_present_names(own))
            text = str(path) if spelled_out == options else yaml.safe_dump(spelled_out)
            if own:
                super().__call__(parser, cfg, text, option_string)


def _read_options(path: Path) -> dict[str, Any]:
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        options = yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: no UTF-8 text, which a configuration file is") from error
    except yaml.MarkedYAMLError as error:
        number = None if error.problem_mark is None else error.problem_mark.line
        line = "" if number is None else f", line {number + 1}"
        hint = "" if number is None or "\t" not in text.split("\n")[number] else "; indent by spaces"
        raise InputError(f"{path}{line}: no valid YAML: {error.problem}{hint}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: no valid YAML: {error}") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    if not isinstance(options, dict) or not options:
        found = "nothing" if not options else f"a {type(options).__name__}"
        raise InputError(
            f"{path}: holds {found}; a configuration file holds options, such as 'trainer: {{max_epochs: 5}}'"
        )
    return options


def options_named(arguments: Sequence[str]) -> set[str]:
    """Finds the options that are given, as flags or in configuration files, by the first part of their names.

    Raises:
        InputError: A configuration file is nothing of the kind.
    """
    named = set[str]()
    for given, following in zip(arguments, [*arguments[1:], ""], strict=True):
        flag, equals, value = given.partition("=")
        path = Path(value if equals else following)
        if flag in ("-c", "--config") and path.is_file():
            named |= {name for _, options in base_files.files_in_order(path, _read_options) for name in options}
        elif flag.startswith("--"):
            named.add(flag[2:].split(".")[0])
    return named


def _spelled_out(options: Any) -> Any:
    """Replaces short forms of registered names by the class and its option, as jsonargparse takes them."""
    if not isinstance(options, dict):
        return [_spelled_out(item) for item in options] if isinstance(options, list) else options
    return {key: _part(key, _spelled_out(value)) for key, value in options.items()}


def _part(key: Any, value: Any) -> Any:
    named = value.get("class_path") if isinstance(value, dict) else value
    if key not in ROLES or not isinstance(named, str):
        return value
    name, chosen = ROLES[key].spell_out(named)
    given = value.get("init_args") or {} if isinstance(value, dict) else {}
    return {"class_path": name, "init_args": {**given, **chosen}} if chosen else value


def _spelled_out_flags(arguments: Sequence[str]) -> list[str]:
    spelt = list[str]()
    for given in arguments:
        # options are spelled with underscores; hyphens mean the same
        dashed = re.match(r"--[\w.-]+", given)
        for part in dashed[0][2:].split(".") if dashed else ():
            if part in ROLES:
                ROLES[part].fill()  # jsonargparse finds classes that are imported
        given = f"--{dashed[0][2:].replace('-', '_')}{given[dashed.end() :]}" if dashed else given
        key, assigns, value = given.rpartition("=")
        argument = f"{key}{assigns}{present_name(value)}"
        separate = bool(spelt) and "=" not in spelt[-1] and spelt[-1].rsplit(".", 1)[-1].lstrip("-") in ROLES
        option, equals, name = (spelt[-1], "=", argument) if separate else argument.partition("=")
        registry = ROLES.get(option.rsplit(".", 1)[-1].lstrip("-")) if option.startswith("--") and equals else None
        entry, chosen = (name, dict[str, str]()) if registry is None else registry.spell_out(name)
        if chosen:
            del spelt[len(spelt) - separate :]
            spelt += [f"{option}={entry}", *(f"{option}.{key}={value}" for key, value in chosen.items())]
        else:
            spelt.append(argument)
    return spelt


def _options_of(class_path: str) -> list[str]:
    """Names of the options of a class and, where it passes them on, of its bases."""
    module, _, name = class_path.rpartition(".")
    added = ArgumentParser().add_class_arguments(getattr(importlib.import_module(module), name), fail_untyped=False)
    return [option for option in added if option != "help"]


class OneLineParser(OneLineErrors):
    """The parser of a command that is a plain function."""

    def add_positionals(self, function: Callable[..., Any]) -> set[str | int]:
        """Adds the parameters that stand before `*` and have no default; a sequence takes any number of values.

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
            options: dict[str, Any] = {"nargs": "*"} if several else {}
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


def _close_to(name: str, valid: Iterable[str]) -> str:
    """As `nearest_name`, without the list of what is valid: for where that is long."""
    return nearest_name(name, valid).split(" (valid")[0]


def _help_texts(function: Callable[..., Any]) -> dict[str, str | None]:
    return {entry.arg_name: entry.description for entry in parse(function.__doc__ or "").params}
