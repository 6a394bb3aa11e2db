"""Every configuration file and every value of every sweep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from lightning.pytorch.cli import LightningArgumentParser
from warm_process import WarmProcess, as_torchrun

from refsam_zoo.cli import main
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS
from refsam_zoo.training.cli import RefSAMCLI, run_trainer
from refsam_zoo.training.samwise_cli import SamwiseCLI
from refsam_zoo.training.system_cli import SystemCLI

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
PAPER = sorted([*CONFIGS.glob("vit_*.yaml"), *CONFIGS.glob("sam2_*.yaml")])


@pytest.mark.slow
@pytest.mark.parametrize("config", PAPER, ids=lambda path: path.stem)
def test_the_papers_configurations_run(
    config: Path, ref_shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At their whole depth; in the larger encoders each head has four channels (test_compositions has them whole)."""
    if config.stem.startswith("sam2"):
        monkeypatch.setattr(IMAGE_ENCODERS.get(config.stem.replace("sam2", "sam2_hiera")), "channels", 16)
    elif config.stem != "vit_b":
        monkeypatch.setattr(IMAGE_ENCODERS.get(config.stem), "width", 64)
    arguments = [
        "fit",
        f"--config={config}",
        f"--data.root={ref_shapes}",
        "--data.holdout=0.5",
        "--data.workers=0",
        "--model.image_encoder.image_size=64",
        "--model.text_encoder.layers=1",
        "--trainer.fast_dev_run=1",
        "--trainer.accelerator=cpu",
        "--trainer.enable_progress_bar=false",
        f"--trainer.default_root_dir={tmp_path}",
    ]
    assert main(arguments) == 0
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.slow
def test_sam2_with_lora_learns_in_two_processes(ref_shapes: Path, tmp_path: Path, warm_process: WarmProcess) -> None:
    arguments = [
        "fit",
        f"--config={CONFIGS / 'sam2_base_plus.yaml'}",
        f"--data.root={ref_shapes}",
        "--data.holdout=0.5",
        "--data.workers=0",
        "--model.image_encoder=sam2_hiera_tiny",
        "--model.image_encoder.image_size=64",
        "--model.text_encoder=clip_tiny",
        "--model.tuner=lora",
        "--trainer.fast_dev_run=2",
        "--trainer.accelerator=cpu",
        "--trainer.strategy=ddp",
        "--trainer.devices=2",
        f"--trainer.default_root_dir={tmp_path}",
    ]
    done = warm_process.run("-m", "refsam_zoo", *arguments, surroundings=as_torchrun(2))
    assert done.returncode == 0, done.stderr
    assert "MEMBER: 2/2" in done.stderr


def test_missing_data_stop_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "nowhere"
    arguments = ["fit", f"--config={PAPER[0]}", f"--data.root={missing}", f"--trainer.default_root_dir={tmp_path}"]
    assert main([*arguments, "--model.image_encoder.image_size=64", "--model.text_encoder.layers=1"]) == 2
    assert f"refsam-zoo: error: {missing}: the data root is missing" in capsys.readouterr().err


def sweep_combinations(sweep: dict[str, Any]) -> list[dict[str, Any]]:
    """Every value of every parameter at least once: the first values of all parameters, then the second, and so on."""
    choices = {key: each.get("values") or [each["min"], each["max"]] for key, each in sweep["parameters"].items()}
    turns = range(max(map(len, choices.values())))
    return [{key: values[turn % len(values)] for key, values in choices.items()} for turn in turns]


VALUES: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "data/configuration_values.json").read_text())
"""What every file parsed to before files had bases; each by what tells it from another one, its `like`.

Recorded at 188e6c4; only the mask decoder that was called `MaskDecoder` then is called `sam_decoder`, and options that
are newer stand at their defaults."""


def named_values(value: Any, key: str = "") -> dict[str, Any]:
    """Options by their whole names; a class by its own name, for its module may have moved."""
    if isinstance(value, dict) and value:
        return {
            k: v for name, part in value.items() for k, v in named_values(part, f"{key}.{name}".lstrip(".")).items()
        }
    if isinstance(value, list):
        return {key: [named_values(part) if isinstance(part, dict) else part for part in value]}
    return {key: value.rpartition(".")[2] if key.endswith("class_path") else value}


def recorded_values(name: str) -> dict[str, Any]:
    record = VALUES[name]
    like = recorded_values(record["like"]) if record["like"] else {}
    return {key: value for key, value in like.items() if key not in record["without"]} | record["values"]


def test_every_file_has_its_values_on_record() -> None:
    files = {path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.yaml") if path.parent.name != "sweeps"}
    assert files == set(VALUES)


class ParserMade(Exception):
    """Carries the parser of the trainer's commands, which takes longer to make than to use."""


class OnlyParser(RefSAMCLI):
    """The command line up to its parser."""

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        raise ParserMade(parser)


class OnlySystemParser(SystemCLI, OnlyParser):
    """The same for a system in the place of a model."""

    parse_arguments = OnlyParser.parse_arguments


class OnlySamwiseParser(SamwiseCLI, OnlyParser):
    """The same for SAMWISE."""

    parse_arguments = OnlyParser.parse_arguments


@pytest.fixture(scope="module")
def parsers() -> dict[str, LightningArgumentParser]:
    """The parser of each command line."""
    found = {}
    for cli, command in {OnlyParser: "fit", OnlySystemParser: "test", OnlySamwiseParser: "fit"}.items():
        with pytest.raises(ParserMade) as made:
            run_trainer([command], cli)
        found[cli.__name__] = made.value.args[0]
    return found


@pytest.mark.parametrize("file", sorted((CONFIGS / "sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_value_of_a_sweep_arrives(
    file: Path,
    parsers: dict[str, LightningArgumentParser],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)
    sweep = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert sweep["command"][-2:] == ["--config", "${args_json_file}"]
    fixed = [word for word in sweep["command"] if word == "fit" or word.startswith("--")]
    for values in sweep_combinations(sweep):
        (tmp_path / "values.json").write_text(json.dumps(values))  # as the agent writes them
        with pytest.raises(SystemExit):
            parsers[OnlyParser.__name__].parse_args([*fixed, str(tmp_path / "values.json"), "--print_config"])
        parsed = named_values(yaml.safe_load(capsys.readouterr().out))
        for key, value in values.items():
            place, whole = key.replace("data.", "data.init_args."), {"class_path": value}  # a text names a class
            assert named_values({place: whole if isinstance(value, str) else value}).items() <= parsed.items()


@pytest.mark.parametrize("name", VALUES)
def test_a_file_parses_to_what_it_did(
    name: str, parsers: dict[str, LightningArgumentParser], capsys: pytest.CaptureFixture[str]
) -> None:
    cli, command = (OnlySystemParser, "test") if name.startswith("systems/") else (OnlyParser, "fit")
    cli = OnlySamwiseParser if name == "samwise.yaml" else cli
    arguments = [f"--config={CONFIGS / file}" for file in [*VALUES[name]["behind"], name]]
    with pytest.raises(SystemExit):
        parsers[cli.__name__].parse_args([command, *arguments, "--print_config"])
    assert named_values(yaml.safe_load(capsys.readouterr().out)) == recorded_values(name)
