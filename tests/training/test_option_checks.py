"""Options that only Lightning refuses, metrics nobody logs, and files that are no configuration: one line, exit 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint

from refsam_zoo.cli import main
from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders import ImageEncoder
from refsam_zoo.options.parser import ConfigFile, OneLineErrors, OneLineParser
from refsam_zoo.training.option_checks import check_monitors, check_options, lightning_refusals

CONFIGS = Path(__file__).parents[2] / "configs"


def error_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("refsam-zoo: error: ")]
    return line


def demo(data: Path, run: Path, *more: str) -> list[str]:
    more = ("--data.synthesis=null", "--data.workers=0", f"--trainer.default_root_dir={run}", *more)
    return ["fit", f"--config={CONFIGS / 'demo.yaml'}", f"--data.root={data}", *more]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--data.batch_size=0"], "--data.batch_size must be a whole number from 1 on, not 0"),
        (["--data=ReferYouTubeVOS", "--data.holdout=2"], "--data.holdout must be a number between 0 and 1, not 2"),
        (["--data.augmentation.scale=[0.9,0.1]"], "scale must be the smallest and then the largest size"),
        (["--model.image_encoder.image_size=97"], "image_size 97 is no multiple of 8"),
        (["--model.tuner=lora", "--model.tuner.rnk=4"], "lora has no option 'rnk'; did you mean 'rank'?"),
        (["--trainer.devices=0"], "--trainer.devices must be a number from 1 on"),
        (["--trainer.strategy=fsdp"], "--trainer.strategy: The strategy `fsdp` requires a GPU"),
        (["--best_checkpoint.mode=most"], "ModelCheckpoint: `mode` can be min, max"),
        (
            ["--best_checkpoint.monitor=val_jf"],
            "nothing logs the metric 'val_jf' to be monitored; did you mean",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_refused_is_one_line(
    flags: list[str], expected: str, ref_shapes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in error_of(demo(ref_shapes, tmp_path, *flags), capsys)
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ": holds nothing"),
        (b"# only a remark\n", ": holds nothing"),
        (b"- one\n- two\n", ": holds a list"),
        (b"model:\n  tuner: full\n\ttracker: no_tracker\n", ", line 3: no valid YAML"),
        (b"model: {a: [\n", ", line 2: no valid YAML"),
        (b"\xff\xfe\x00a", ": no UTF-8 text"),
    ],
)
def test_a_file_that_is_no_configuration_is_named(content: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(InputError) as caught:
        with_configuration().parse_args([f"--config={tmp_path / 'mine.yaml'}"])
    assert f"mine.yaml{expected}" in str(caught.value)


def with_configuration() -> OneLineParser:
    parser = OneLineParser(prog="refsam-zoo")
    parser.add_argument("--config", action=ConfigFile)
    parser.add_argument("--model.image_encoder", type=ImageEncoder)
    return parser


@pytest.mark.parametrize(
    "written",
    [
        "model: {image_encoder: timm/resnet18}",
        "model: {image_encoder: {class_path: timm/resnet18}}",
        "model: {image_encoder: {class_path: timm, init_args: {backbone: resnet18}}}",
    ],
)
def test_a_member_of_a_family_goes_by_its_short_form(written: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(written, encoding="utf-8")
    parser = with_configuration()
    for flags in ([f"--config={tmp_path / 'mine.yaml'}"], ["--model.image_encoder", "timm/resnet18"]):
        encoder = parser.parse_args(flags).model.image_encoder
        assert encoder.class_path.endswith(".timm")
        assert encoder.init_args.backbone == "resnet18"


@pytest.mark.parametrize("option", ["accumulate_grad_batches", "check_val_every_n_epoch", "num_nodes"])
def test_numbers_that_the_trainer_divides_by(option: str) -> None:
    for value in (0, -1, float("nan"), float("inf")):
        with pytest.raises(InputError, match=rf"--trainer\.{option} must be a number from 1 on, not {value}"):
            check_options({"trainer": {option: value}})
    check_options({"trainer": {option: 1, "max_epochs": -1, "gradient_clip_val": None, "devices": "auto"}})


def test_what_is_not_on_this_machine_or_would_replace_our_own() -> None:
    for options, message in (
        ({"accelerator": "tpu"}, r"--trainer\.accelerator tpu: there is none on this machine; choose auto or cpu"),
        ({"accelerator": "gpuu"}, "unknown accelerator 'gpuu'; did you mean 'gpu'"),
        ({"devices": "0"}, r"--trainer\.devices must be a number from 1 on"),
    ):
        with pytest.raises(InputError, match=message):
            check_options({"trainer": options})
    check_options({"trainer": {"accelerator": "cpu"}, "optimizer": None})
    with pytest.raises(InputError, match=r"--optimizer cannot be chosen, .*--model\.learning_rates"):
        check_options({"trainer": {}, "optimizer": {"class_path": "Adam"}})


def test_metrics_are_known_before_training() -> None:
    for monitor in ("train/loss", "val/j", "val/f", "val/jf", "val/jf_best", "lr-AdamW/mask_decoder_vectors"):
        check_monitors([ModelCheckpoint(monitor=monitor), EarlyStopping(monitor=monitor)])
    check_monitors([ModelCheckpoint()])
    with pytest.raises(InputError, match=r"EarlyStopping: .*'train_loss' .*; did you mean 'train/loss'\?"):
        check_monitors([EarlyStopping(monitor="train_loss")])

    class Own(Callback):
        """May log anything."""

    check_monitors([Own(), EarlyStopping(monitor="own/score")])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"limit_val_batches": -3}, r"--trainer\.limit_val_batches: "),
        ({"gradient_clip_algorithm": "x"}, r"--trainer\.gradient_clip_algorithm: "),
        ({"max_time": "soon"}, r"--trainer\.max_time: "),
        ({"strategy": "deepspeed_stage_2"}, r"--trainer\.strategy: .*you must have DeepSpeed installed"),
        ({"strategy": "nonsense"}, r"--trainer\.strategy: .*nonsense"),
    ],
)
def test_what_lightning_says_is_translated(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=expected), lightning_refusals():
        Trainer(**{"accelerator": "cpu", "logger": False, **options})


def test_a_logger_among_several_that_refuses_is_translated() -> None:
    """jsonargparse says only that the list of them is no logger."""
    parser = OneLineErrors()
    parser.add_class_arguments(Trainer, "trainer")
    refused = {"class_path": "WandbLogger", "init_args": {"offline": True, "log_model": "all"}}
    parsed = parser.parse_object({"trainer": {"logger": [refused]}})
    with pytest.raises(InputError, match="log_model=all and offline=True"), lightning_refusals():
        parser.instantiate(parsed)


def test_a_defect_is_no_refusal() -> None:
    with pytest.raises(ValueError, match="a defect"), lightning_refusals():
        raise ValueError("a defect")
