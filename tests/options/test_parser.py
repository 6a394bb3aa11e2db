from __future__ import annotations

from collections.abc import Iterator

import pytest
from jsonargparse import ArgumentParser

from refsam_zoo.options.parser import explain_fields
from refsam_zoo.synthesis import SynthesisOptions


@pytest.fixture(autouse=True)
def as_without_arguments() -> Iterator[None]:
    yield
    explain_fields([])


@pytest.mark.parametrize("flag", ["-h", "--help", "--data.help=RefShapes", "--print_config=comments", None])
def test_attributes_are_explained_where_that_is_asked_for(flag: str | None) -> None:
    explain_fields(["--model.tuner=lora", *([flag] if flag else [])])
    parser = ArgumentParser()
    parser.add_class_arguments(SynthesisOptions, "synthesis")
    explained = "Videos in the split val." in parser.format_help()
    assert explained == (flag is not None)
