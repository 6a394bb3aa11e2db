from __future__ import annotations

import copy

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT
from torch import nn

from refsam_zoo.errors import InputError
from refsam_zoo.model.tuners import TUNERS

IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def small_vit() -> ImageEncoderViT:
    """Four blocks on a 4 x 4 grid; windows of 3 force padding; biases and positions away from zero."""
    torch.manual_seed(0)
    vit = ImageEncoderViT(
        img_size=64,
        embed_dim=32,
        depth=4,
        num_heads=2,
        out_chans=16,
        use_rel_pos=True,
        window_size=3,
        global_attn_indexes=(1, 3),
    )
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return vit


def trained(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("name", list(TUNERS))
def test_the_encoder_starts_unchanged(name: str) -> None:
    vit = small_vit()
    with torch.no_grad():
        before = vit(IMAGES)
        assert TUNERS.build(name).apply(vit) is vit
        torch.testing.assert_close(vit(IMAGES), before, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", list(TUNERS))
def test_only_what_is_trained_has_gradients_and_changes(name: str) -> None:
    vit = TUNERS.build(name).apply(small_vit())
    parameters = trained(vit)
    assert bool(parameters) == (name != "frozen")
    if not parameters:
        assert not vit(IMAGES).requires_grad
        return
    before = copy.deepcopy(vit.state_dict())
    optimizer = torch.optim.AdamW(vit.parameters(), lr=0.1)
    for _ in range(2):  # the first step moves only what starts at zero
        vit(IMAGES).square().mean().backward()
        assert all(parameter.grad is not None for parameter in parameters.values())
        optimizer.step()
    changed = {key for key, tensor in vit.state_dict().items() if not tensor.equal(before[key])}
    assert changed == set(parameters)


@pytest.mark.parametrize("name", list(TUNERS))
def test_state_dict_round_trip(name: str) -> None:
    vit = TUNERS.build(name).apply(small_vit())
    with torch.no_grad():
        for parameter in vit.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        expected = vit(IMAGES)
        other = TUNERS.build(name).apply(small_vit())
        assert not torch.allclose(other(IMAGES), expected)
        other.load_state_dict(vit.state_dict())
        assert other(IMAGES).equal(expected)
        assert copy.deepcopy(vit)(IMAGES).equal(expected)


def test_lora_without_alpha_adds_b_a_unscaled() -> None:
    vit = small_vit()
    merged = copy.deepcopy(vit)
    TUNERS.build("lora", rank=2).apply(vit)
    with torch.no_grad():
        for block, plain in zip(vit.blocks, merged.blocks, strict=True):
            update = block.attn.proj.lora_B["default"].weight.normal_() @ block.attn.proj.lora_A["default"].weight
            plain.attn.proj.weight += update
        torch.testing.assert_close(vit(IMAGES), merged(IMAGES), atol=1e-5, rtol=0)


def test_lora_targets_are_ends_of_names() -> None:
    vit = TUNERS.build("lora", targets=["attn.qkv", "lin1"]).apply(small_vit())
    layers = {name.split(".lora_")[0] for name in trained(vit)}
    assert layers == {f"blocks.{i}.{layer}" for i in range(4) for layer in ("attn.qkv", "mlp.lin1")}


def test_lora_without_a_match_suggests_a_layer() -> None:
    vit = small_vit()
    with pytest.raises(InputError, match=r"tuner target 'attn\.kqv'.*did you mean 'attn\.qkv'"):
        TUNERS.build("lora", targets=["attn.kqv"]).apply(vit)
    assert len(trained(vit)) == len(list(vit.parameters()))


def test_the_projection_within_multihead_attention_is_no_target() -> None:
    layer = nn.TransformerEncoderLayer(8, 2)
    with pytest.raises(InputError, match="out_proj"):
        TUNERS.build("lora", targets=["out_proj"]).apply(layer)


def test_parts_of_a_fused_projection_are_targets() -> None:
    vit = small_vit()
    TUNERS.build("lora", rank=2, targets=["attn.qkv.q", "attn.qkv.v"]).apply(vit)
    layers = {name.split(".lora_")[0] for name in trained(vit)}
    assert layers == {f"blocks.{i}.attn.qkv.{part}" for i in range(4) for part in "qv"}
    with torch.no_grad():
        torch.testing.assert_close(vit(IMAGES), small_vit()(IMAGES), atol=1e-5, rtol=0)


def test_peft_methods_are_checked() -> None:
    with pytest.raises(InputError, match="unknown peft method 'LHA'; did you mean 'LOHA'"):
        TUNERS.build("peft_method", method="LHA").apply(small_vit())
    with pytest.raises(InputError, match=r"peft method 'LOHA': .*rnk"):
        TUNERS.build("peft_method", method="LOHA", options={"rnk": 2}).apply(small_vit())
    vit = TUNERS.build("peft_method", method="IA3", options={"feedforward_modules": []}).apply(small_vit())
    assert {name.split(".")[-2] for name in trained(vit)} == {"ia3_l"}


def expected_block(block: nn.Module, tokens: torch.Tensor) -> torch.Tensor:
    """The formula of RefSAM's adapter block, on a block whose adapters are taken off its hooks."""
    from segment_anything.modeling.image_encoder import window_partition, window_unpartition

    def bottleneck(adapter: nn.Module, x: torch.Tensor) -> torch.Tensor:
        return adapter.up(nn.functional.gelu(adapter.down(x)))

    y, size = block.norm1(tokens), tokens.shape[1:3]
    if block.window_size:
        y, padded = window_partition(y, block.window_size)
    y = type(block.attn).forward(block.attn, y)
    y = y + bottleneck(block.attn.adapter, y)
    if block.window_size:
        y = window_unpartition(y, block.window_size, padded, size)
    x = tokens + y
    z = block.norm2(x)
    return x + type(block.mlp).forward(block.mlp, z) + 0.5 * bottleneck(block.mlp.adapter, z)


def test_adapters_follow_the_formula_in_the_second_half() -> None:
    vit = TUNERS.build("adapter", zero_init=False).apply(small_vit())
    tokens = torch.randn(2, 4, 4, 32)
    with torch.no_grad():
        for block in vit.blocks[2:]:
            torch.testing.assert_close(block(tokens), expected_block(block, tokens), atol=1e-5, rtol=0)
    assert {name.split(".")[1] for name in trained(vit)} == {"2", "3"}
    assert set(small_vit().state_dict()) < set(vit.state_dict())


def test_adapters_can_be_in_all_blocks() -> None:
    vit = TUNERS.build("adapter", first_block=0).apply(small_vit())
    assert {name.split(".")[1] for name in trained(vit)} == {"0", "1", "2", "3"}


def test_adapters_need_transformer_blocks() -> None:
    with pytest.raises(InputError, match="no place for an adapter in Sequential: 0 transformer blocks"):
        TUNERS.build("adapter").apply(nn.Sequential(nn.Linear(2, 2)))
    with pytest.raises(InputError, match="would be block 4"):
        TUNERS.build("adapter", first_block=4).apply(small_vit())


@pytest.mark.parametrize(
    ("width", "depth", "adapters", "lora"),
    [(768, 12, 3_550_464, 73_728), (1024, 24, 12_613_632, 196_608), (1280, 32, 26_265_600, 327_680)],
)
def test_parameter_counts_are_the_papers(width: int, depth: int, adapters: int, lora: int) -> None:
    for name, count in (("adapter", adapters), ("lora", lora)):
        with torch.device("meta"):
            vit = TUNERS.build(name).apply(ImageEncoderViT(embed_dim=width, depth=depth, num_heads=16))
        assert sum(parameter.numel() for parameter in trained(vit).values()) == count
