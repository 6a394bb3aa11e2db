from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import pytest
from jsonargparse import ArgumentParser

from refsam_zoo.model.image_encoders import ImageEncoder
from refsam_zoo.number_types import PositiveInt
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
    before_class_changes,
    causes,
    option_names,
    refusals,
)
from refsam_zoo.systems.base import SYSTEMS, SystemOrMaker

REFSAM = "refsam_zoo.systems.refsam.refsam"
MODULE = "refsam_zoo.model.image_encoders.vit_tiny"
VIDEO = ["--video=v"]


class Refused(Exception):
    """What a parser says."""


class Parser(ArgumentParser):
    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if not self.exit_on_error:
            super().error(message, ex)
        raise Refused(" ".join(message.split()))


@pytest.fixture
def parser() -> Parser:
    SYSTEMS.fill()  # as parsers of the command line do where an option names one
    parser = Parser()
    parser.add_argument("--video", required=True)
    parser.add_argument("--count", type=PositiveInt, default=1)
    parser.add_argument("--maker", type=SystemOrMaker | None)
    parser.add_subclass_arguments(ImageEncoder, "part.encoder", required=False)
    return parser


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([*VIDEO, "--count=0"], BadNumber("count", "must be a whole number from 1 on, not 0")),
        (
            [*VIDEO, "--part.encoder=vit_tiny", "--part.encoder.image_size=7"],
            BadNumber("part.encoder.image_size", "must be a whole number of pixels from 8 to 8192, not 7"),
        ),
        ([*VIDEO, "--part.encoder=vit_tinny"], UnknownClass("part.encoder", "vit_tinny")),
        ([*VIDEO, f"--part.encoder={MODULE}.Vit"], MissingClass("part.encoder", MODULE, "Vit")),
        ([*VIDEO, "--maker=no.where.Thing"], MissingModule("maker", "no")),
        ([*VIDEO, "--maker=torch.nn.Linear"], OtherClass("maker", "torch.nn.Linear", "VideoSegmenter")),
        ([*VIDEO, "--maker.name=x"], OptionOfNothing("maker", "name")),
        ([*VIDEO, "--maker=refsam"], MissingClassArguments("maker", REFSAM, ["checkpoint"])),
        (
            [*VIDEO, "--part.encoder=vit_tiny", "--part.encoder.sze=7"],
            UnknownClassOption("part.encoder", f"{MODULE}.vit_tiny", "sze"),
        ),
        ([], MissingArguments(["video"])),
        ([*VIDEO, "--cuont=3"], UnknownArgument("--cuont")),
    ],
)
def test_refusals_are_understood(arguments: list[str], expected: Refusal, parser: Parser) -> None:
    with pytest.raises(Refused) as error:
        parser.parse_args(arguments)
    assert expected in refusals(str(error.value))


def test_other_words_mean_nothing() -> None:
    assert [*refusals("the disk is full")] == []


class Thing:
    """Takes no colour."""

    def __init__(self, colour: str = "none") -> None:
        if colour != "none":
            raise ArithmeticError(f"{colour} is a colour")


@pytest.mark.parametrize("kind", [Thing | Iterable[Thing], Iterable[Thing] | Thing], ids=["list last", "list first"])
@pytest.mark.parametrize("several", [False, True], ids=["one", "several"])
def test_what_a_constructor_said_is_among_the_causes(kind: Any, several: bool) -> None:
    parser = ArgumentParser()
    parser.add_argument("--things", type=kind)
    thing = {"class_path": f"{__name__}.Thing", "init_args": {"colour": "red"}}
    parsed = parser.parse_object({"things": [thing] if several else thing})
    with pytest.raises(Exception, match="red is a colour") as error:
        parser.instantiate(parsed)
    assert "red is a colour" in [str(cause) for cause in causes(error.value)]


def test_an_error_that_is_its_own_cause_is_gone_through_once() -> None:
    error = ValueError("itself")
    error.__cause__ = error
    assert [*causes(error)] == [error]


def test_options_of_a_parser(parser: Parser) -> None:
    assert {"--help", "--video", "--count", "--part.encoder"} <= set(option_names(parser))


def test_a_class_that_takes_the_place_of_another_is_seen(parser: Parser) -> None:
    changes = list[tuple[str, str]]()

    def prepare(previous: Any, chosen: Any) -> None:
        changes.append((previous["class_path"].rpartition(".")[2], chosen["class_path"].rpartition(".")[2]))
        previous["init_args"].pop("image_size")

    flags = ["--part.encoder=vit_tiny", "--part.encoder.image_size=64", "--part.encoder=vit_b"]
    default = parser.parse_args([*VIDEO, "--part.encoder=vit_b"]).part.encoder.init_args.image_size
    assert parser.parse_args([*VIDEO, *flags]).part.encoder.init_args.image_size == 64
    with before_class_changes(prepare):
        assert parser.parse_args([*VIDEO, *flags]).part.encoder.init_args.image_size == default
    assert ("vit_tiny", "vit_b") in changes
    assert parser.parse_args([*VIDEO, *flags]).part.encoder.init_args.image_size == 64
