"""A later file or flag that chooses another data set or encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch import LightningDataModule

import refsam_zoo.data_modules  # noqa: F401  makes the short names of data modules known
from refsam_zoo.cli import main
from refsam_zoo.options.base_files import files_in_order
from refsam_zoo.training.class_changes import options_stay_with_their_class

CONFIGS = Path(__file__).parents[2] / "configs"
RECIPES = sorted(CONFIGS.glob("*.yaml"))
DATA = sorted((CONFIGS / "data").glob("*.yaml"))


@pytest.fixture(scope="module")
def parser() -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningDataModule, "data")
    parser.add_argument("--config", action="config")
    return parser


def section(path: Path) -> dict[str, Any]:
    """The data section of a file behind those of its bases."""
    data: dict[str, Any] = {}
    for _, options in files_in_order(path, lambda file: dict(yaml.safe_load(file.read_text(encoding="utf-8")))):
        data = merged(data, options.get("data", {}))
    return data


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    both = {key: merged(first[key], second[key]) for key in first.keys() & second if isinstance(second[key], dict)}
    return first | second | both


def parse(parser: ArgumentParser, *arguments: Path | str) -> Namespace:
    """Merges the data sections of files as several `--config` are merged, and flags."""
    spelt = [
        argument if isinstance(argument, str) else f"--config={yaml.safe_dump({'data': section(argument)})}"
        for argument in arguments
    ]
    with options_stay_with_their_class():
        return parser.parse_args(spelt).data


def assert_says(found: Any, written: Any) -> None:
    """Everything that a file names has the value of the file."""
    if isinstance(written, dict):
        for name, value in written.items():
            assert_says(found[name], value)
    elif isinstance(written, list):
        for ours, theirs in zip(found, written, strict=True):
            assert_says(ours, theirs)
    elif isinstance(written, str):
        assert str(found).rsplit(".", 1)[-1] == written  # short names of classes are spelt out
    else:
        assert found == written


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_every_data_file_behind_every_recipe_says_what_it_says_alone(parser: ArgumentParser, recipe: Path) -> None:
    assert len(DATA) > 10
    for path in DATA:
        found, alone = parse(parser, recipe, path), parse(parser, path)
        assert_says(found, section(path))
        if section(recipe)["class_path"] != section(path)["class_path"]:
            assert found == alone, path.name


@pytest.mark.parametrize("first", DATA, ids=lambda path: path.stem)
def test_data_files_behind_each_other(parser: ArgumentParser, first: Path) -> None:
    second = next(path for path in DATA if section(path)["class_path"] != section(first)["class_path"])
    assert parse(parser, first, second) == parse(parser, second)


def test_flags_choose_as_files_do(parser: ArgumentParser) -> None:
    recipe = CONFIGS / "vit_b.yaml"
    alone = parse(parser, "--data=MeViS", "--data.root=x")
    assert parse(parser, recipe, "--data=MeViS", "--data.root=x") == alone
    assert parse(parser, recipe, "--data.class_path=MeViS", "--data.init_args.root=x") == alone
    # the same data set keeps what was said of it
    assert parse(parser, recipe, "--data=ReferYouTubeVOS").init_args.unit == "frame"
    assert parse(parser, recipe, "--data.root=x").init_args.unit == "frame"
    named_again = parse(parser, recipe, "--data=MeViS", "--data.root=x", "--data.unit=expression")
    assert named_again.init_args.unit == "expression"


def test_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Data sets and encoders start anew; other parts keep what they share."""
    files = [f"--config={CONFIGS / name}" for name in ("vit_b.yaml", "data/ref_shapes.yaml")]
    flags = [
        "image_encoder.checkpoint=b.pth",
        "image_encoder.image_size=512",
        "image_encoder=vit_l",
        "text_encoder.layers=1",
        "text_encoder=roberta_large",
        "tuner=lora",
        "tuner.rank=3",
        "tuner=adapter_lora",
    ]
    with pytest.raises(SystemExit):
        main(["fit", *files, *(f"--model.{flag}" for flag in flags), "--print_config"])
    printed = yaml.safe_load(capsys.readouterr().out)
    options = printed["data"]["init_args"]
    assert (options["unit"], options["augmentation"]["init_args"]["hue"]) == ("video", 0.0)
    image_encoder, text_encoder, tuner = (
        printed["model"][part]["init_args"] for part in ("image_encoder", "text_encoder", "tuner")
    )
    assert (image_encoder["checkpoint"], image_encoder["image_size"]) == (None, 1024)
    assert image_encoder["checkpointing"] is False
    assert text_encoder["layers"] is None
    assert tuner["rank"] == 3
