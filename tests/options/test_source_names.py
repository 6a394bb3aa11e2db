from __future__ import annotations

import inspect

import pytest
from lightning.pytorch import Trainer

from refsam_zoo.model.composition import compose
from refsam_zoo.options.source_names import parameter_names


def test_names_are_those_of_the_class_or_function() -> None:
    names = parameter_names("lightning", "pytorch/trainer/trainer.py", "Trainer")
    assert names == list(inspect.signature(Trainer).parameters)
    assert parameter_names("refsam_zoo", "model/composition.py", "compose") == list(
        inspect.signature(compose).parameters
    )


@pytest.mark.parametrize(
    "place",
    [("no_such_package", "a.py", "A"), ("lightning", "a.py", "A"), ("lightning", "pytorch/trainer/trainer.py", "A")],
)
def test_what_is_not_there_has_none(place: tuple[str, str, str]) -> None:
    assert parameter_names(*place) == []
