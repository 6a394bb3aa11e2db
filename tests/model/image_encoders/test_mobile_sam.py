"""MobileSAM's file: names as in its released code, whose stages end with what brings them to the next width."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders.mobile_sam import mobile_sam
from refsam_zoo.model.tuners import TUNERS
from refsam_zoo.weights.files import StateDict


def official(state: StateDict) -> StateDict:
    """Renames to MobileSAM's names, with the classifier that its file carries along."""
    renamed = {"norm_head.weight": torch.zeros(320), "head.weight": torch.zeros(1000, 320)}
    for name, tensor in state.items():
        name = name.removeprefix("backbone.").replace(".conv.weight", ".c.weight").replace("stages.", "layers.")
        name = re.sub(r"layers\.(\d)\.downsample", lambda match: f"layers.{int(match[1]) - 1}.downsample", name)
        name = re.sub(r"^patch_embed\.conv(\d)", lambda match: f"patch_embed.seq.{2 * int(match[1]) - 2}", name)
        renamed[name] = tensor
    return {f"image_encoder.{name}": tensor for name, tensor in renamed.items()} | {"mask_decoder.x": torch.zeros(1)}


def build(seed: int, image_size: int = 64) -> mobile_sam:
    torch.manual_seed(seed)
    return mobile_sam(image_size=image_size).eval()


@torch.no_grad()
def test_a_file_of_mobile_sam_is_loaded_whole(tmp_path: Path) -> None:
    first, images = build(0), torch.randn(1, 3, 64, 64)
    state = official(first.state_dict())
    assert {"image_encoder.patch_embed.seq.2.c.weight", "image_encoder.layers.0.downsample.conv2.bn.bias"} < set(state)
    torch.save(state, tmp_path / "mobile_sam.pt")
    loaded = mobile_sam(tmp_path / "mobile_sam.pt", image_size=64).eval()
    assert loaded(images).final.equal(first(images).final)
    assert not torch.allclose(build(1)(images).final, first(images).final)

    del state["image_encoder.layers.3.blocks.1.mlp.fc2.bias"]
    torch.save(state, tmp_path / "cut.pt")
    with pytest.raises(InputError, match=r"1 missing: backbone\.stages\.3\.blocks\.1\.mlp\.fc2\.bias"):
        mobile_sam(tmp_path / "cut.pt")


def test_sizes() -> None:
    """TinyViT-5M without its classifier, and SAM's neck."""
    encoder = build(0)
    assert sum(parameter.numel() for parameter in encoder.backbone.parameters()) == 5_071_124
    assert sum(parameter.numel() for parameter in encoder.neck.parameters()) == 672_768
    with pytest.raises(InputError, match="no multiple of 16"):
        mobile_sam(image_size=100)


def test_frozen_statistics_stay() -> None:
    encoder = build(0, image_size=32)
    TUNERS.build("lora", targets=["attn.qkv"]).apply(encoder)
    before = {name: tensor.clone() for name, tensor in encoder.named_buffers()}
    encoder.train()(torch.randn(2, 3, 32, 32)).final.sum().backward()
    assert all(tensor.equal(before[name]) for name, tensor in encoder.named_buffers())
