from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
import yaml

from refsam_zoo.cli import main
from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders.timm import TimmImageEncoder
from refsam_zoo.model.tuners import TUNERS

IMAGES = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("backbone", "widths"),
    [("vit_tiny_patch16_224", (192, 192, 192)), ("resnet18", (64, 128, 256)), ("tiny_vit_5m_224", (64, 128, 160))],
)
def test_plain_and_hierarchical_backbones_end_on_one_grid(backbone: str, widths: tuple[int, ...]) -> None:
    encoder = TimmImageEncoder(backbone, image_size=64)
    features = encoder(IMAGES)
    assert features.final.shape == (2, 256, 4, 4)
    assert [part.shape for part in features.intermediate] == [(2, 4, 4, width) for width in widths]
    features.final.sum().backward()
    unused = [name for name, parameter in encoder.named_parameters() if parameter.grad is None]
    assert unused == []


def test_a_checkpoint_gives_the_backbones_own_maps(tmp_path: Path) -> None:
    torch.manual_seed(0)
    resnet = timm.create_model("resnet18").eval()
    torch.save(resnet.state_dict(), tmp_path / "resnet18.pth")
    encoder = TimmImageEncoder("resnet18", tmp_path / "resnet18.pth", image_size=64).eval()
    with torch.no_grad():
        maps = resnet.forward_intermediates(IMAGES, intermediates_only=True)
        intermediate = encoder(IMAGES).intermediate
    torch.testing.assert_close(intermediate[2], maps[3].permute(0, 2, 3, 1))
    averaged = torch.nn.functional.avg_pool2d(maps[1], 4).permute(0, 2, 3, 1)
    torch.testing.assert_close(intermediate[0], averaged)


def test_positions_of_a_checkpoint_are_resized(tmp_path: Path) -> None:
    vit = timm.create_model("vit_tiny_patch16_224")
    torch.save(vit.state_dict(), tmp_path / "vit.pth")
    same = TimmImageEncoder("vit_tiny_patch16_224", tmp_path / "vit.pth", image_size=224)
    assert same.backbone.pos_embed.equal(vit.pos_embed)
    other = TimmImageEncoder("vit_tiny_patch16_224", tmp_path / "vit.pth", image_size=64)
    assert other.backbone.pos_embed.shape == (1, 1 + 4 * 4, 192)
    assert other.backbone.blocks[0].attn.qkv.weight.equal(vit.blocks[0].attn.qkv.weight)


def test_the_backbones_own_normalisation_is_used() -> None:
    encoder = TimmImageEncoder("vit_tiny_patch16_224", image_size=64)
    assert encoder.pixel_mean == (127.5, 127.5, 127.5)
    assert encoder.pixel_std == (127.5, 127.5, 127.5)


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown timm backbone 'resnet1'; did you mean 'resnet"):
        TimmImageEncoder("resnet1")
    with pytest.raises(InputError, match="image_size 100 is no multiple of 16"):
        TimmImageEncoder("resnet18", image_size=100)
    torch.save(timm.create_model("resnet10t").state_dict(), tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth does not fit timm backbone 'resnet18'") as error:
        TimmImageEncoder("resnet18", tmp_path / "other.pth", image_size=64)
    assert "\n" not in str(error.value)


def test_every_tuner_trains_the_neck() -> None:
    encoder = TUNERS.build("frozen").apply(TimmImageEncoder("resnet18", image_size=64))
    trained = {name.split(".")[0] for name, parameter in encoder.named_parameters() if parameter.requires_grad}
    assert trained == {"laterals", "neck"}


@pytest.mark.parametrize("tuner", ["frozen", "lora"])
def test_frozen_batch_statistics_do_not_drift(tuner: str) -> None:
    encoder = TUNERS.build(tuner).apply(TimmImageEncoder("tiny_vit_5m_224", image_size=64)).train()
    before = {name: tensor.clone() for name, tensor in encoder.named_buffers()}
    encoder(IMAGES).final.sum().backward()
    assert all(tensor.equal(before[name]) for name, tensor in encoder.named_buffers())
    assert encoder.neck.training


def test_a_network_without_linear_layers_cannot_take_lora() -> None:
    with pytest.raises(InputError, match="has no linear layer to adapt; use tuner 'full' or 'frozen'"):
        TUNERS.build("lora").apply(TimmImageEncoder("resnet18", image_size=64))


def test_a_backbone_goes_by_its_name_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    demo = Path(__file__).parents[3] / "configs" / "demo.yaml"
    with pytest.raises(SystemExit):
        main(["fit", f"--config={demo}", "--model.image_encoder", "timm/resnet18", "--print_config"])
    encoder = yaml.safe_load(capsys.readouterr().out)["model"]["image_encoder"]
    assert encoder["class_path"].endswith(".timm")
    assert encoder["init_args"]["backbone"] == "resnet18"
