"""Every numeric option of every class and command that is offered: out of range, it is one line that names it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import torch
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningDataModule

from refsam_zoo import data_modules, number_types, zoo
from refsam_zoo.cli import COMMANDS
from refsam_zoo.clips.augmentation import Augmentation
from refsam_zoo.clips.clip_sampling import ClipSampling
from refsam_zoo.errors import InputError
from refsam_zoo.model.cross_modal import CrossModalMLP
from refsam_zoo.number_types import PositiveInt, Probability
from refsam_zoo.options.parser import OneLineParser
from refsam_zoo.synthesis import SynthesisOptions
from refsam_zoo.systems.predictor import Predictor
from refsam_zoo.systems.released import ReleasedDavisPredictor, ReleasedPredictor
from refsam_zoo.training.losses import AlignmentLoss, MaskLoss
from refsam_zoo.training.module import ReferringSegmentation
from refsam_zoo.training.optimizer import LearningRates, Schedule

BOUNDED = {
    kind for kind in vars(number_types).values() if isinstance(kind, type) and kind.__module__ == PositiveInt.__module__
}
OUT_OF_RANGE = ("nan", ".inf", "-1e31", "1" + 40 * "0", "many", "true")


def below(base: type) -> Iterator[type]:
    for cls in base.__subclasses__():
        if cls.__module__.startswith("refsam_zoo."):
            yield cls
        yield from below(cls)


def offered() -> list[Callable[..., Any]]:
    """All that the command line builds or calls by its signature."""
    registered = [registry.get(name) for registry in zoo._REGISTRIES for name in registry]
    sets = [
        cls for cls in vars(data_modules).values() if isinstance(cls, type) and issubclass(cls, LightningDataModule)
    ]
    others = [CrossModalMLP, MaskLoss, AlignmentLoss, LearningRates, Schedule, SynthesisOptions, ReferringSegmentation]
    predictors = [Predictor, ReleasedPredictor, ReleasedDavisPredictor]
    commands = [getattr(importlib.import_module(f"refsam_zoo.commands.{name}"), name) for name in COMMANDS]
    return [*registered, *sets, *others, *predictors, *below(Augmentation), *below(ClipSampling), *commands]


def numbers_in(hint: Any) -> set[Any]:
    inner = get_args(hint)
    if inner and get_origin(hint) is not Callable:
        return set().union(*map(numbers_in, inner))
    return {kind for kind in (int, float, *BOUNDED) if hint is kind}


def numeric(thing: Callable[..., Any]) -> dict[str, set[Any]]:
    """Option -> the kinds of number in its annotation."""
    of = thing.__init__ if isinstance(thing, type) else thing
    hints = get_type_hints(of, localns={"BasicTransform": object})  # which is imported when it is needed
    found = {name: numbers_in(hints[name]) for name in inspect.signature(of).parameters if name in hints}
    return {name: kinds for name, kinds in found.items() if kinds}


ALL = {f"{thing.__module__}.{thing.__name__}": thing for thing in offered() if numeric(thing)}
LISTS = {"weights"}
"""Options that are a list and nothing else."""


@pytest.mark.parametrize("name", ALL)
def test_every_number_has_bounds(name: str) -> None:
    assert {option: kinds - BOUNDED for option, kinds in numeric(ALL[name]).items() if kinds - BOUNDED} == {}


@pytest.mark.parametrize("name", ALL)
def test_what_is_out_of_range_is_one_line(name: str) -> None:
    thing = ALL[name]
    parser = OneLineParser(prog="refsam-zoo")
    if isinstance(thing, type):
        parser.add_class_arguments(thing, "x", fail_untyped=False)
    else:
        parser.add_function_arguments(thing, "x", fail_untyped=False)
    for option in numeric(thing):
        for value in OUT_OF_RANGE:
            given = f"[{value}]" if option in LISTS else value
            with pytest.raises(InputError, match=rf"x\.{option}\b") as caught:
                parser.parse_args([f"--x.{option}={given}"])
            assert "Union" not in str(caught.value), str(caught.value)


@pytest.mark.parametrize(("value", "kept"), [("3", 3), ("1", 1)])
def test_numbers_stay_plain(value: str, kept: int, tmp_path: Path) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--count", type=PositiveInt)
    parser.add_argument("--share", type=Probability)
    options = parser.parse_args([f"--count={value}", "--share=1"])
    assert (type(options.count), type(options.share)) == (int, float)
    assert options.count == kept
    torch.save(options.as_dict(), tmp_path / "options.pt")
    assert torch.load(tmp_path / "options.pt", weights_only=True) == {"count": kept, "share": 1.0}
    assert parser.parse_string(parser.dump(options)) == options
