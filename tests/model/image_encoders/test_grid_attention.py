"""The fused blocks against segment_anything's own, with and without gradients."""

from __future__ import annotations

import copy
from functools import partial

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT
from torch import nn

from refsam_zoo.model.image_encoders import grid_attention, sam
from refsam_zoo.model.image_encoders.grid_attention import fuse
from refsam_zoo.model.image_encoders.sam import SamImageEncoder
from refsam_zoo.model.tuners import TUNERS

IMAGES = torch.randn(2, 3, 80, 80, generator=torch.Generator().manual_seed(1))


def package_vit(relative_positions: bool = True) -> ImageEncoderViT:
    """A windowed and a global block on a grid of 5 x 5 tokens, windows of 2, so that windows are padded."""
    torch.manual_seed(0)
    vit = ImageEncoderViT(
        img_size=80,
        embed_dim=32,
        depth=2,
        num_heads=4,
        out_chans=16,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=relative_positions,
        window_size=2,
        global_attn_indexes=(1,),
    )
    with torch.no_grad():  # positions start at zero there; here they must matter
        for name, parameter in vit.named_parameters():
            if "pos" in name:
                parameter.normal_()
    return vit


def fused(vit: ImageEncoderViT) -> ImageEncoderViT:
    vit = copy.deepcopy(vit)
    for block in vit.blocks:
        fuse(block)
    return vit


@pytest.mark.parametrize("relative_positions", [True, False])
def test_same_keys_and_same_output(relative_positions: bool) -> None:
    vit = package_vit(relative_positions)
    ours = fused(vit)
    assert list(ours.state_dict()) == list(vit.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(ours(IMAGES), vit(IMAGES), atol=2e-5, rtol=0)


@pytest.mark.parametrize(("tokens", "bias"), [(1, 1), (20, 400), (64, 10_000)])
def test_pieces_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch, tokens: int, bias: int) -> None:
    monkeypatch.setattr(grid_attention, "TOKENS_AT_ONCE", tokens)
    monkeypatch.setattr(grid_attention, "BIAS_AT_ONCE", bias)
    vit = package_vit()
    with torch.no_grad():
        torch.testing.assert_close(fused(vit)(IMAGES), vit(IMAGES), atol=2e-5, rtol=0)


def gradients(vit: ImageEncoderViT) -> dict[str, torch.Tensor]:
    output = vit.double()(IMAGES.double())
    (output * torch.linspace(-1, 1, output.numel()).view(output.shape)).sum().backward()
    return {name: parameter.grad for name, parameter in vit.named_parameters() if parameter.requires_grad}


def test_same_gradients() -> None:
    vit = package_vit()
    ours = fused(vit)
    expected, found = gradients(vit), gradients(ours)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(gradient, expected[name])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    vit = package_vit()
    with torch.no_grad():
        expected = vit(IMAGES)
        found = fused(vit).to(dtype)(IMAGES.to(dtype)).float()
    torch.testing.assert_close(found, expected, atol=0.15 if dtype == torch.bfloat16 else 2e-5, rtol=0)


def test_autocast() -> None:
    vit = package_vit()
    with torch.no_grad():
        expected = vit(IMAGES)
        with torch.autocast("cpu", torch.bfloat16):
            found = fused(vit)(IMAGES)
    torch.testing.assert_close(found.float(), expected, atol=0.15, rtol=0)


@pytest.mark.parametrize("tuner", ["lora", "dora", "adapter", "adapter_lora"])
def test_tuners_train_the_same_function(tuner: str) -> None:
    options = {"zero_init": False} if tuner.startswith("adapter") else {}
    torch.manual_seed(2)
    vit = TUNERS.build(tuner, **options).apply(package_vit())
    with torch.no_grad():
        for name, parameter in vit.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    torch.manual_seed(2)
    ours = TUNERS.build(tuner, **options).apply(fused(package_vit()))
    ours.load_state_dict(vit.state_dict())
    expected, found = gradients(vit), gradients(ours)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name])


class SmallVit(SamImageEncoder):
    width, depth, heads, global_blocks = 32, 2, 2, (0, 1)


@pytest.mark.parametrize("at_once", [16, 40])
def test_frames_in_groups_are_the_batch(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    torch.manual_seed(0)
    encoder = SmallVit(image_size=64).eval()
    images = torch.randn(5, 3, 64, 64)
    with torch.no_grad():
        expected = encoder(images)
        monkeypatch.setattr(sam, "CELLS_AT_ONCE", at_once)
        found = encoder(images)
    torch.testing.assert_close(found.final, expected.final)
    torch.testing.assert_close(found.intermediate, expected.intermediate)
