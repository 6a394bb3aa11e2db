"""The worked examples: an image encoder and a tuner from outside the project, by import path."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from refsam_zoo.cli import main
from refsam_zoo.errors import InputError
from refsam_zoo.model.tuners import Tuner
from refsam_zoo.zoo import create_model

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "examples")


@pytest.mark.slow
def test_both_are_trained_from_the_command_line(ref_shapes: Path, tmp_path: Path) -> None:
    arguments = [
        "fit",
        f"--config={ROOT / 'configs' / 'demo.yaml'}",
        "--model.image_encoder=convolutional_encoder.ConvolutionalEncoder",
        "--model.tuner=bias_tuner.BiasTuner",
        f"--data.root={ref_shapes}",
        "--data.synthesis=null",
        "--data.workers=0",
        "--trainer.fast_dev_run=1",
        "--trainer.enable_progress_bar=false",
        f"--trainer.default_root_dir={tmp_path}",
    ]
    assert main(arguments) == 0


def test_the_tuner_trains_biases_only() -> None:
    from bias_tuner import BiasTuner

    tuner: Tuner = BiasTuner(norms=False)
    model = create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner=tuner)
    trained = {name for name, parameter in model.image_encoder.named_parameters() if parameter.requires_grad}
    assert "vit.blocks.0.attn.qkv.bias" in trained
    assert all(name.endswith(".bias") and "norm" not in name for name in trained)
    with pytest.raises(InputError, match="has no bias"):
        tuner.apply(torch.nn.ReLU())


def test_the_encoder_goes_by_its_import_path() -> None:
    from convolutional_encoder import ConvolutionalEncoder

    narrow = create_model("convolutional_encoder.ConvolutionalEncoder", text_encoder="clip_tiny", tuner="full")
    assert narrow.mask_decoder.width == 128
    encoder = ConvolutionalEncoder(embedding_width=256)
    model = create_model(image_encoder=encoder, text_encoder="clip_tiny", tuner="full")
    with torch.no_grad():
        frames = model.encode_images(torch.zeros(1, 3, 48, 64, dtype=torch.uint8))
        logits = model.segment(frames, model.encode_text(["the red circle"])).low_res_logits
    assert logits.shape == (1, 24, 24)
