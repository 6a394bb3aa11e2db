"""EfficientSAM's weights in SAM's layers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders.efficient_sam import EfficientSamImageEncoder


class Small(EfficientSamImageEncoder):
    width, heads, depth, global_blocks = 32, 2, 4, (0, 1, 2, 3)


def theirs(encoder: EfficientSamImageEncoder, side: int) -> dict[str, torch.Tensor]:
    """The encoder's weights under EfficientSAM's names, with positions for a grid of `side` cells and a class token."""
    state = {name.replace("lin1", "fc1").replace("lin2", "fc2"): t for name, t in encoder.vit.state_dict().items()}
    state["pos_embed"] = torch.randn(1, 1 + side * side, encoder.width)
    return {f"image_encoder.{name}": tensor for name, tensor in state.items()}


def plain_vit(state: dict[str, torch.Tensor], images: torch.Tensor, heads: int) -> torch.Tensor:
    """EfficientSAM's forward pass up to its neck, written out by its names."""
    of = {name.removeprefix("image_encoder."): tensor for name, tensor in state.items()}
    functional = torch.nn.functional

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(x, x.shape[-1:], of[f"{name}.weight"], of[f"{name}.bias"], 1e-6)

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, of[f"{name}.weight"], of[f"{name}.bias"])

    patches = functional.conv2d(images, of["patch_embed.proj.weight"], of["patch_embed.proj.bias"], stride=16)
    x = patches.flatten(2).transpose(1, 2) + of["pos_embed"][:, 1:]
    for block in range(4):
        name = f"blocks.{block}"
        qkv = linear(f"{name}.attn.qkv", norm(f"{name}.norm1", x)).unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(*qkv).transpose(1, 2).flatten(2)
        x = x + linear(f"{name}.attn.proj", attended)
        hidden = functional.gelu(linear(f"{name}.mlp.fc1", norm(f"{name}.norm2", x)))
        x = x + linear(f"{name}.mlp.fc2", hidden)
    return x.transpose(1, 2).unflatten(2, patches.shape[-2:])


def test_its_weights_compute_what_they_compute_there(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = theirs(Small(image_size=64), side=4)
    torch.save({"model": state}, tmp_path / "efficient.pt")
    encoder = Small(tmp_path / "efficient.pt", image_size=64).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features = encoder(images)
        expected = encoder.vit.neck(plain_vit(state, images, heads=2))
    torch.testing.assert_close(features.final, expected, atol=1e-5, rtol=0)
    assert len(features.intermediate) == 3


def test_positions_are_interpolated_without_the_class_token(tmp_path: Path) -> None:
    state = theirs(Small(image_size=64), side=14)
    grid = state["image_encoder.pos_embed"][:, 1:].unflatten(1, (14, 14)).permute(0, 3, 1, 2)
    torch.save(state, tmp_path / "efficient.pt")
    encoder = Small(tmp_path / "efficient.pt", image_size=64)
    expected = torch.nn.functional.interpolate(grid, (4, 4), mode="bicubic", align_corners=False)
    torch.testing.assert_close(encoder.vit.pos_embed.permute(0, 3, 1, 2), expected)


def test_another_width_is_refused(tmp_path: Path) -> None:
    class Wide(Small):
        width = 64

    torch.save(theirs(Small(image_size=64), side=4), tmp_path / "efficient.pt")
    with pytest.raises(InputError, match=r"of another shape: .*32.* instead of .*64"):
        Wide(tmp_path / "efficient.pt", image_size=64)
