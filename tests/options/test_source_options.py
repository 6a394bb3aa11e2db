from __future__ import annotations

import inspect
from dataclasses import fields

import pytest
from lightning.pytorch import Trainer

from refsam_zoo.model.composition import compose
from refsam_zoo.options.source_help import ENTRIES
from refsam_zoo.options.source_options import Place, read_source, registered_names
from refsam_zoo.registry import ROLES
from refsam_zoo.systems import SYSTEMS
from refsam_zoo.training.optimizer import LearningRates

TRAINER = Place("lightning", "pytorch/trainer/trainer.py", "Trainer")
COMPOSE = Place("refsam_zoo", "model/composition.py", "compose")


def names(place: Place) -> list[str]:
    return [option.name for option in read_source(place).options]


def test_names_are_those_of_the_class_function_or_method() -> None:
    assert names(TRAINER) == list(inspect.signature(Trainer).parameters)
    assert names(COMPOSE) == list(inspect.signature(compose).parameters)
    assert ["self", *names(TRAINER._replace(name="Trainer.test"))] == list(inspect.signature(Trainer.test).parameters)


def test_fields_of_a_data_class_have_their_defaults_and_docstrings() -> None:
    options = read_source(Place("refsam_zoo", "training/optimizer.py", "LearningRates")).options
    assert [option.name for option in options] == [field.name for field in fields(LearningRates)]
    assert [float(option.default or "") for option in options] == [field.default for field in fields(LearningRates)]
    assert options[0].text == "The Cross-Modal MLP."


def test_parameters_have_annotation_default_and_text() -> None:
    weights = read_source(COMPOSE).options[-1]
    assert weights[:3] == ("weights", "str | Path | None", "null")
    assert weights.text.startswith("Components to start from, loaded last: a file of `refsam-zoo convert`")
    assert read_source(COMPOSE).options[0].default is None
    assert read_source(TRAINER).summary == "Customize every aspect of training via flags."


@pytest.mark.parametrize("place", [("no_such_package", "a.py", "A"), ("lightning", "a.py", "A"), (*TRAINER[:2], "A")])
def test_what_is_not_there_has_none(place: tuple[str, str, str]) -> None:
    assert read_source(Place(*place)) == ("", [])


@pytest.mark.parametrize("option", ENTRIES)
def test_registered_names_are_those_of_the_registry(option: str) -> None:
    assert option != "system" or ROLES[option] is SYSTEMS
    assert registered_names(*ENTRIES[option]) == [*ROLES[option]]
