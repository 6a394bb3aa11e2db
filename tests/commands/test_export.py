"""`refsam-zoo export` as a user types it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from refsam_zoo import create_model
from refsam_zoo.cli import main
from refsam_zoo.model.image_encoders.vit_tiny import vit_tiny
from refsam_zoo.model.text_encoders.clip_tiny import clip_tiny


def test_what_is_written_is_printed_and_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = create_model(image_encoder=vit_tiny(image_size=64), text_encoder=clip_tiny(layers=1))
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    torch.save({"hyper_parameters": model.composition, "state_dict": state}, tmp_path / "last.ckpt")
    command = ["export", str(tmp_path / "last.ckpt"), str(tmp_path / "model"), "--licence", "MIT"]
    assert main(command) == 0
    assert f"{tmp_path / 'model' / 'model.safetensors'}: " in capsys.readouterr().out
    assert main(command) == 2
    assert "is not empty" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "model"), str(tmp_path / "copy")]) == 0
    copies = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("model", "copy")]
    assert copies[0] == copies[1]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--expressions", "a dog"], "--expressions goes with --format onnx or torch_export"),
        (["--format", "onnx", "--licence", "MIT"], "--licence goes with --format folder"),
        (["--format", "onnx", "--expressions", '["a dog", " "]'], "an expression is empty"),
        (["--format", "onx"], "onx"),
    ],
)
def test_options_that_do_not_go_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], complaint: str
) -> None:
    create_model(image_encoder=vit_tiny(image_size=64), text_encoder=clip_tiny(layers=1)).save_pretrained(
        tmp_path / "m"
    )
    assert main(["export", str(tmp_path / "m"), str(tmp_path / "out"), *options]) == 2
    assert complaint in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
