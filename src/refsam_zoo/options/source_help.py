"""`--help` of commands whose options name classes that take seconds to be imported, from the source of these."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from refsam_zoo.options.source_options import Place, SourceOption, read_source, registered_names
from refsam_zoo.options.trainer_options import (
    CHECKPOINT_DEFAULTS,
    CONFIG_TEXT,
    GROUPS,
    MACHINES,
    MODEL_DEFAULTS,
    OWN,
    SAMWISE_DEFAULTS,
    SEED,
    SYSTEM_TEXT,
    TRAINER_DEFAULTS,
    command_place,
)

ENTRIES = {
    "image_encoder": ("model/image_encoders", "IMAGE_ENCODERS"),
    "text_encoder": ("model/text_encoders", "TEXT_ENCODERS"),
    "tuner": ("model/tuners", "TUNERS"),
    "text_tuner": ("model/tuners", "TUNERS"),
    "sparse_prompt": ("model/prompts", "SPARSE_PROMPTS"),
    "dense_prompt": ("model/prompts", "DENSE_PROMPTS"),
    "mask_decoder": ("model/mask_decoders", "MASK_DECODERS"),
    "tracker": ("model/trackers", "TRACKERS"),
    "system": ("systems", "SYSTEMS"),
}
"""Option -> folder and name of the registry whose entries it takes."""

_DEFAULTS: dict[str, Any] = {
    **{f"trainer.{name}": value for name, value in TRAINER_DEFAULTS.items()},
    **MODEL_DEFAULTS,
    **SAMWISE_DEFAULTS,
    **CHECKPOINT_DEFAULTS,
}

_MORE = (
    "A part that is chosen by name has options of its own: --data.help NAME and --model.image_encoder.help NAME list "
    "them. --help=all takes seconds and names the classes that every option takes."
)
_NO_OPTIONS = {"self", "model", "dataloaders", "train_dataloaders", "val_dataloaders", "datamodule", "options", "cli"}
"""Parameters of Lightning's methods, and of `print_plan`, that are made of other options."""


def trainer_help(command: str, named: set[str]) -> str:
    """Writes the help of a command of Lightning's.

    Args:
        command: `fit`, `plan`, `validate`, `test` or `predict`.
        named: First parts of the options that are given: with `system` or `samwise` it is about that.
    """
    usage = "%(prog)s [--config FILE ...] [--OPTION VALUE ...]"
    parser = ArgumentParser(f"refsam-zoo {command}", usage, read_source(command_place(command)).summary, _MORE)
    parser.add_argument("-c", "--config", metavar="FILE", help=CONFIG_TEXT)
    parser.add_argument("--print_config", action="store_true", help="print what all options make together, and exit")
    trained = next((each for each in ("samwise", "system") if each in named), "model")
    for option in _options_of_the_command("fit" if command == "plan" else command):
        _add(parser, option, option.name)
    if command == "plan":
        for option in read_source(MACHINES).options:
            _add(parser, option, option.name)
    if trained == "system":
        _add(parser, SourceOption("system", "", None, SYSTEM_TEXT), "system")
    absent = {"model", "samwise"} - {trained}
    for prefix, places in GROUPS.items():
        if prefix.split(".")[0] not in absent:
            group = parser.add_argument_group(f"{prefix}: {read_source(places[0]).summary.rstrip('.')}")
            for option in (each for place in places for each in read_source(place).options):
                if f"{prefix}.{option.name}" not in GROUPS:
                    _add(group, option, f"{prefix}.{option.name}")
    return parser.format_help()


def function_help(command: str, function: Place) -> str:
    """Writes the help of a command that is a plain function."""
    source = read_source(function)
    parts = [option.name for option in source.options if option.name in ENTRIES]
    more = " ".join(f"--{part}.help NAME lists the options of a part that is chosen by name." for part in parts)
    parser = ArgumentParser(f"refsam-zoo {command}", description=source.summary, epilog=more)
    for option in source.options:
        if option.default is None:
            parser.add_argument(option.name, help=_escaped(option.text))
        else:
            _add(parser, option, option.name, is_flag=option.kind == "bool")
    return parser.format_help()


def _options_of_the_command(command: str) -> Iterator[SourceOption]:
    """Those that belong to no group."""
    yield SourceOption("seed_everything", "bool | int", str(SEED), "seed of all randomness; True takes a random one")
    for name, own in OWN.items():
        yield SourceOption(name, "", "null" if own.default is None else str(own.default), own.text)
    yield SourceOption("data", "", None, "data set by name (refsam-zoo list --data), or a class by import path")
    yield from (each for each in read_source(command_place(command)).options if each.name not in _NO_OPTIONS)


def _add(group: Any, option: SourceOption, name: str, is_flag: bool = False) -> None:
    default = _DEFAULTS.get(name, option.default)
    facts = {"type": option.kind, "default": default, "one of": ", ".join(_entries(name))}
    known = ", ".join(f"{key}: {value}" for key, value in facts.items() if value not in ("", None))
    value = "{true,false}" if option.kind == "bool" else option.name.upper()
    shown: dict[str, Any] = {"action": "store_true"} if is_flag else {"metavar": value}
    group.add_argument(f"--{name}", help=_escaped(f"{option.text} ({known})" if known else option.text), **shown)


def _entries(name: str) -> list[str]:
    part = name.removeprefix("model.")
    return registered_names(*ENTRIES[part]) if part in ENTRIES else []


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
