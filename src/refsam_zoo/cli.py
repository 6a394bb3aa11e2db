"""The command line: the table of commands. Imports nothing heavy before it knows the command."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.lightning_later import lightning_later
from refsam_zoo.output_files import NO_ROOM

TRAINER_COMMANDS = {
    "fit": "train a model",
    "plan": "say what training takes on several GPUs, by a few steps on this machine",
    "validate": "score a checkpoint or a system on the validation split",
    "test": "score a checkpoint or a system on the test splits and write tables and pictures",
    "predict": "write the masks of a whole data set",
}
"""Commands of LightningCLI, configured by `--config` files."""

COMMANDS = {
    "segment": "segment your own video by sentences",
    "serve": "open a web page on which others segment their clips",
    "inspect": "check a data set: counts, broken files, a contact sheet",
    "shard": "copy a data set into WebDataset tar files, to be read from anywhere",
    "synthesize": "write the RefShapes data set",
    "convert": "convert weights of the released RefSAM code to ours and back",
    "export": "write the model of a checkpoint as a folder that anybody can load, or as ONNX",
    "evaluate": "score the masks of any system, or check a submission",
    "compare": "compare two runs with confidence intervals",
    "leaderboard": "write the table of published and measured results",
    "ablate": "train the rows of an ablation table and draw them beside the paper's",
    "rerun": "train a run's first steps again and compare the losses bit for bit",
    "cache": "compute a data set's image features ahead of training, or clear them",
    "list": "print the zoo as a table",
    "parameters": "count what RefSAM's compositions consist of and learn",
}
"""Name -> what it does. The function is `<name>` in `refsam_zoo.commands.<name>`, its signature the options."""


_HELP_FROM_SOURCE = {"cache"}
"""Commands whose options name classes of PyTorch."""

_EXTRAS = {
    "lightning": "train",
    "torchmetrics": "train",
    "albumentations": "train",
    "isal": "train",
    "starlette": "serve",
    "uvicorn": "serve",
}
"""Package that a base install lacks -> the extra that brings it."""


def program() -> None:
    """Runs the command line and ends the process with its exit code.

    That is noted by W&B in a `sys.exit` of its own, which is in the place of Python's when the run has begun.
    """
    code = main()
    sys.exit(code)


def main(args: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        args: Arguments after the program's name; None takes those of the process.

    Returns:
        Exit code: 0 done, 2 bad input. A defect leaves with a traceback, exit code 1.
    """
    arguments = list(sys.argv[1:] if args is None else args)
    command = arguments[0] if arguments else "--help"
    try:
        if command in ("-h", "--help"):
            print(_help())
        elif command == "--version":
            from refsam_zoo import __version__

            print(f"refsam-zoo {__version__}")
        elif command in TRAINER_COMMANDS:
            from refsam_zoo.commands.trainer import trainer

            trainer(arguments)
        elif command in COMMANDS:
            with lightning_later():
                _run_function(command, arguments[1:])
        else:
            raise InputError(f"unknown command '{command}'{nearest_name(command, {**TRAINER_COMMANDS, **COMMANDS})}")
        print(end="", flush=True)  # what cannot be written is to be known before the exit code is chosen
    except InputError as error:
        print(f"refsam-zoo: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        needs = f"{command} needs the package {error.name}, which a base install lacks"
        print(f'refsam-zoo: error: {needs}: pip install "refsam-zoo[{extra}]"', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("refsam-zoo: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _drop_output()  # its reader has gone, as in `refsam-zoo list | head`
        return 0
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        print(f"refsam-zoo: error: {error.filename or 'output'} cannot be written: {error.strerror}", file=sys.stderr)
        if error.filename is None:
            _drop_output()
        return 2
    return 0


def _drop_output() -> None:
    """Lets go of what standard output does not take; Python would complain once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _help() -> str:
    lines = ["usage: refsam-zoo COMMAND [options]", "", "Referring video object segmentation.", ""]
    for title, commands in (
        ("training and evaluation (Lightning):", TRAINER_COMMANDS),
        ("tools:", COMMANDS),
    ):
        lines += [title, *(f"  {name:<12} {text}" for name, text in commands.items()), ""]
    return "\n".join([*lines, "refsam-zoo COMMAND --help lists a command's options."])


def _run_function(command: str, arguments: list[str]) -> None:
    """Parses by the signature: parameters before `*` without a default are positional, all others are options."""
    if command in _HELP_FROM_SOURCE and {"-h", "--help"} & {*arguments}:
        from refsam_zoo.options.source_help import function_help
        from refsam_zoo.options.source_options import Place

        print(function_help(command, Place("refsam_zoo", f"commands/{command}.py", command)), end="")
        return
    from refsam_zoo.options.parser import OneLineParser, explain_fields

    explain_fields(arguments)
    function = getattr(importlib.import_module(f"refsam_zoo.commands.{command}"), command)
    parser = OneLineParser(prog=f"refsam-zoo {command}", description=function.__doc__.splitlines()[0])
    positional = parser.add_positionals(function)
    flags = parser.add_flags(function)
    parser.add_function_arguments(function, skip=positional | flags)
    function(**parser.instantiate(parser.parse_args(arguments)).as_dict())
