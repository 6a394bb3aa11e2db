from __future__ import annotations

from pathlib import Path

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT

from refsam_zoo.errors import InputError
from refsam_zoo.model.tuners import TUNERS
from refsam_zoo.weights.saving import save_state_dict
from refsam_zoo.weights.tuner_files import load_tuned, save_tuned


def tuned(tuner: str, seed: int = 0, **options: int) -> ImageEncoderViT:
    torch.manual_seed(seed)
    vit = ImageEncoderViT(img_size=32, embed_dim=32, depth=2, num_heads=2, out_chans=16)
    return TUNERS.build(tuner, **options).apply(vit)


def train(vit: ImageEncoderViT) -> ImageEncoderViT:
    with torch.no_grad():
        for parameter in vit.parameters():
            if parameter.requires_grad:
                parameter.normal_()
    return vit


@pytest.mark.parametrize("tuner", ["lora", "adapter", "adapter_lora", "full"])
def test_what_was_trained_goes_onto_a_fresh_base(tmp_path: Path, tuner: str) -> None:
    vit, images = train(tuned(tuner)), torch.randn(1, 3, 32, 32)
    save_tuned(vit, tmp_path / "tuned.safetensors")
    fresh = tuned(tuner)
    assert not torch.equal(fresh(images), vit(images))
    load_tuned(fresh, tmp_path / "tuned.safetensors")
    assert torch.equal(fresh(images), vit(images))


def test_lora_of_a_vit_b_is_a_small_file(tmp_path: Path) -> None:
    vit = TUNERS.build("lora").apply(ImageEncoderViT(img_size=64))
    save_tuned(vit, tmp_path / "tuned.safetensors")
    assert (tmp_path / "tuned.safetensors").stat().st_size < 1e6


def test_another_base_is_refused(tmp_path: Path) -> None:
    save_tuned(tuned("lora"), tmp_path / "tuned.safetensors")
    other = tuned("lora", seed=1)
    before = other.blocks[0].attn.proj.lora_A["default"].weight.clone()
    with pytest.raises(InputError, match="trained on another ImageEncoderViT"):
        load_tuned(other, tmp_path / "tuned.safetensors")
    assert before.equal(other.blocks[0].attn.proj.lora_A["default"].weight)


def test_another_tuner_is_refused(tmp_path: Path) -> None:
    save_tuned(tuned("lora"), tmp_path / "tuned.safetensors")
    with pytest.raises(InputError, match=r"4 of another shape: blocks\.0\.attn\.proj\.lora_A.* \[4, 32\] instead"):
        load_tuned(tuned("lora", rank=2), tmp_path / "tuned.safetensors")
    with pytest.raises(InputError, match="8 missing"):
        load_tuned(tuned("adapter"), tmp_path / "tuned.safetensors")


def test_other_files_are_refused(tmp_path: Path) -> None:
    vit = tuned("lora")
    state = {name: parameter for name, parameter in vit.named_parameters() if parameter.requires_grad}
    save_state_dict(state, tmp_path / "plain.safetensors")
    with pytest.raises(InputError, match="not a tuner's file"):
        load_tuned(vit, tmp_path / "plain.safetensors")
    save_state_dict(state, tmp_path / "plain.pth")
    with pytest.raises(InputError, match="not a tuner's file"):
        load_tuned(vit, tmp_path / "plain.pth")
    with pytest.raises(InputError, match="nothing to save"):
        save_tuned(tuned("frozen"), tmp_path / "tuned.safetensors")
    with pytest.raises(InputError, match=r"ends in \.safetensors"):
        save_tuned(vit, tmp_path / "tuned.pth")
