from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from refsam_zoo.errors import InputError
from refsam_zoo.options.base_files import files_in_order
from refsam_zoo.training.cli import run_trainer

CONFIGS = Path(__file__).parents[2] / "configs"


def written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / "own.yaml"


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    with pytest.raises(SystemExit) as leave:
        run_trainer([*arguments, "--print_config"])
    assert leave.value.code == 0
    return yaml.safe_load(capsys.readouterr().out)


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
def test_a_base_is_a_config_given_before(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change = "model: {image_encoder: vit_l, tuner: lora}\n"
    own = written(tmp_path, own=f"base: {CONFIGS / 'vit_b.yaml'}\n{change}", change=change)
    one = printed(capsys, command, f"--config={own}")
    several = printed(capsys, command, f"--config={CONFIGS / 'vit_b.yaml'}", f"--config={tmp_path / 'change.yaml'}")
    assert one == several
    assert isinstance(one, dict)
    assert "base" not in one
    assert one["model"]["image_encoder"]["init_args"]["checkpointing"] is False  # options stay with their class
    assert one["model"]["learning_rates"]["mask_decoder"] == 1e-6


def test_a_flag_and_a_later_file_overrule_a_base(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = written(tmp_path, own=f"base: {CONFIGS / 'vit_b.yaml'}\n", later="trainer: {max_epochs: 2}\n")
    arguments = ["fit", f"--config={own}", f"--config={tmp_path / 'later.yaml'}", "--model.tuner=frozen"]
    options = printed(capsys, *arguments)
    assert isinstance(options, dict)
    assert options["trainer"]["max_epochs"] == 2
    assert options["model"]["tuner"]["class_path"].endswith(".frozen")


def read(path: Path) -> dict[str, object]:
    return dict(yaml.safe_load(path.read_text()))


def test_bases_come_before_what_starts_from_them(tmp_path: Path) -> None:
    own = written(tmp_path, own="base: [a.yaml, b.yaml]\nx: 1", a="base: c.yaml\nx: 2", b="x: 3", c="x: 4")
    assert [path.stem for path, _ in files_in_order(own, read)] == ["c", "a", "b", "own"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base: 3", "own.yaml: base: must be the path of a configuration file or a list of them, not 3"),
        ("base: [a.yaml, {x: 1}]", "or a list of them, not {'x': 1}"),
        ("base: ''", "or a list of them, not ''"),
        ("base: own.yaml", "own.yaml' starts from this file; a base must not lead back to it"),
        ("base: circle.yaml", "own.yaml' starts from this file; a base must not lead back to it"),
        ("base: aa.yaml", "aa.yaml'; did you mean 'a.yaml'?"),
    ],
)
def test_what_is_no_base_is_named(text: str, said: str, tmp_path: Path) -> None:
    own = written(tmp_path, own=text, a="x: 1", circle="base: own.yaml")
    with pytest.raises(InputError) as refused:
        files_in_order(own, read)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
