from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from systems.tiny_evf_sam import BEIT3, published_name, shapes

from refsam_zoo.checkpoints.conversion import convert
from refsam_zoo.errors import InputError
from refsam_zoo.model.beit3 import Beit3
from refsam_zoo.model.evf_sam import EvfSam, EvfSam2
from refsam_zoo.model.image_encoders.sam import SamImageEncoder
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.systems.evf_sam import evf_sam2
from refsam_zoo.weights.components import load_components, merge_lora
from refsam_zoo.weights.files import StateDict, load_state_dict
from refsam_zoo.weights.official import from_official, read_official, split_components, to_official
from refsam_zoo.zoo import create_model

FILES = ["dense_conv_x_last.pth", "image_encoder_blocks_x_last.pth", "mask_decoder_x_last.pth", "resizer_x_last.pth"]


class SmallVit(SamImageEncoder):
    """SAM's layers at a small size."""

    width, depth, heads, global_blocks = 64, 4, 4, (1, 3)


def released(tuner: str, weights: Path | None = None) -> RefSAM:
    """Composes what the released code has."""
    return create_model(
        image_encoder=SmallVit(image_size=96),
        text_encoder="clip_tiny",
        dense_prompt="dense_attention",
        tracker="query_interaction",
        tuner=tuner,
        weights=weights,
    )


def build(seed: int, tuner: str = "adapter_lora") -> RefSAM:
    torch.manual_seed(seed)
    model = released(tuner)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="module")
def model() -> RefSAM:
    return build(0)


@pytest.fixture(scope="module")
def ours(model: RefSAM, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "last.ckpt"
    torch.save({"state_dict": {f"model.{name}": tensor for name, tensor in model.state_dict().items()}}, path)
    return path


@pytest.fixture(scope="module")
def official(ours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("official")
    list(convert(ours, folder, to="official", text_encoder="x"))
    return folder


def same(first: StateDict, second: StateDict) -> bool:
    return first.keys() == second.keys() and all(tensor.equal(second[name]) for name, tensor in first.items())


def test_component_files_have_the_official_names(official: Path) -> None:
    assert sorted(path.name for path in official.iterdir()) == [*FILES, "track_net_x_last.pth"]
    assert load_state_dict(official / "resizer_x_last.pth").keys() == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert load_state_dict(official / "dense_conv_x_last.pth").keys() == {"weight", "bias"}
    blocks = load_state_dict(official / "image_encoder_blocks_x_last.pth")
    assert {"0.attn.proj.w.weight", "0.attn.proj.w_a.weight", "0.attn.proj.w_b.weight"} < blocks.keys()
    assert {"2.Space_Adapter.D_fc1.weight", "3.MLP_Adapter.D_fc2.bias"} < blocks.keys()
    assert "self_attn.in_proj_weight" in load_state_dict(official / "track_net_x_last.pth")
    decoder = load_state_dict(official / "mask_decoder_x_last.pth")
    assert len(decoder) == 120


def test_component_files_come_back_into_another_model(model: RefSAM, official: Path, tmp_path: Path) -> None:
    list(convert(official, tmp_path / "converted.safetensors"))
    state = load_state_dict(tmp_path / "converted.safetensors")
    other = released("adapter_lora", weights=tmp_path / "converted.safetensors")
    assert same({name: other.state_dict()[name] for name in state}, {n: model.state_dict()[n] for n in state})
    assert not any(name.startswith("text_encoder.") for name in state)
    assert not other.image_encoder.vit.pos_embed.equal(model.image_encoder.vit.pos_embed)


def test_merged_lora_computes_the_same_without_lora(model: RefSAM, ours: Path) -> None:
    plain = build(1, tuner="adapter")
    load_components(plain, merge_lora(model.state_dict()), "merged")
    images = torch.randn(1, 3, plain.image_encoder.image_size, plain.image_encoder.image_size)
    with torch.no_grad():
        torch.testing.assert_close(
            plain.image_encoder(images).final, model.image_encoder(images).final, atol=1e-4, rtol=1e-4
        )


def test_a_whole_official_model_is_one_file(model: RefSAM, tmp_path: Path) -> None:
    state = {name: t for name, t in model.state_dict().items() if not name.startswith("text_encoder.")}
    whole = to_official(state) | {"text_encoder.pooler.dense.weight": torch.zeros(1)}
    torch.save(whole, tmp_path / "model.pth")
    assert same(read_official([tmp_path / "model.pth"]), state)


def test_an_image_encoder_is_recognised_by_its_names(model: RefSAM, tmp_path: Path) -> None:
    encoder = {
        name.removeprefix("sam.image_encoder."): tensor
        for name, tensor in to_official(
            {f"image_encoder.{k}": t for k, t in model.image_encoder.state_dict().items()}
        ).items()
    }
    torch.save(encoder, tmp_path / "pretrained.pth")
    state = read_official([tmp_path / "pretrained.pth"])
    assert {name.removeprefix("image_encoder.") for name in state} == set(model.image_encoder.state_dict())


def test_names_without_a_counterpart_are_listed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"2 names unknown to the released RefSAM code: dense_conv2\.weight, fpn"):
        from_official({"dense_conv2.weight": torch.zeros(1), "fpn_conv.weight": torch.zeros(1)})
    with pytest.raises(InputError, match=r"tracker\.layers\.0\.weight"):
        to_official({"tracker.layers.0.weight": torch.zeros(1)})
    torch.save({"weight": torch.zeros(1)}, tmp_path / "memory_key_x.pth")
    with pytest.raises(InputError, match=r"memory_key_x\.pth: 1 names unknown.*begins with 'resizer_'"):
        list(convert(tmp_path / "memory_key_x.pth", tmp_path / "out.pth"))
    assert not (tmp_path / "out.pth").exists()


def test_components_must_be_whole_and_fit(model: RefSAM) -> None:
    whole = to_official({n: t for n, t in model.state_dict().items() if not n.startswith("text_encoder.")})
    resizer = split_components(whole)["resizer_"]
    state = from_official({f"resizer.{name}": tensor for name, tensor in resizer.items()})
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    del state["cross_modal.layers.2.bias"]
    state["cross_modal.layers.0.bias"] = torch.zeros(3)
    state["cross_modal.layers.4.bias"] = torch.zeros(3)
    with pytest.raises(InputError) as error:
        load_components(model, state, "resizer_x.pth")
    assert "1 missing: cross_modal.layers.2.bias" in str(error.value)
    assert "1 unknown: cross_modal.layers.4.bias" in str(error.value)
    assert "1 of another shape: cross_modal.layers.0.bias [3] instead of [64]" in str(error.value)
    assert same(model.state_dict(), before)


BLOCK = "image_encoder_blocks_x_last.pth"


@pytest.mark.parametrize(
    ("file", "name", "shape", "complaint"),
    [
        ("mask_decoder_x_last.pth", "iou_token.weight", None, "1 missing: mask_decoder.iou_token.weight"),
        ("mask_decoder_x_last.pth", "iou_token.bias", (1,), "1 unknown: mask_decoder.iou_token.bias"),
        ("track_net_x_last.pth", "norm2.bias", (3,), "1 of another shape: tracker.norm2.bias [3] instead of [256]"),
        ("resizer_x_last.pth", "2.bias", None, "1 missing: cross_modal.layers.2.bias"),
        ("dense_conv_x_last.pth", "bias", None, "1 missing: dense_prompt.attention.projection.bias"),
        (BLOCK, "0.norm1.bias", None, "1 missing: image_encoder.vit.blocks.0.norm1.bias"),
        (BLOCK, "3.MLP_Adapter.D_fc2.bias", None, "1 missing: image_encoder.vit.blocks.3.mlp.adapter.up.bias"),
        (BLOCK, "1.attn.proj.w_b.weight", None, "1 missing: image_encoder.vit.blocks.1.attn.proj.lora_B.default"),
        (BLOCK, "0.Space_Adapter.D_fc1.bias", (32,), "missing"),
    ],
)
def test_damaged_components_are_refused(
    official: Path, tmp_path: Path, file: str, name: str, shape: tuple[int, ...] | None, complaint: str
) -> None:
    state = load_state_dict(official / file)
    if shape is None:
        del state[name]
    else:
        state[name] = torch.zeros(shape)
    torch.save(state, tmp_path / file)
    with pytest.raises(InputError) as error:
        list(convert(tmp_path / file, tmp_path / "out.pth"))
    assert complaint in str(error.value)
    assert not (tmp_path / "out.pth").exists()


def test_a_folder_holds_one_file_per_component(official: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no component file"):
        list(convert(tmp_path, tmp_path / "out.pth"))
    for name in ("resizer_x_0.pth", "resizer_x_1.pth"):
        (tmp_path / name).write_bytes((official / "resizer_x_last.pth").read_bytes())
    with pytest.raises(InputError, match=r"resizer_x_0\.pth and resizer_x_1\.pth"):
        list(convert(tmp_path, tmp_path / "out.pth"))


def test_components_of_a_run(model: RefSAM, ours: Path, tmp_path: Path) -> None:
    list(convert(ours, tmp_path / "encoders.safetensors", components=["image_encoder", "text_encoder"]))
    state = load_state_dict(tmp_path / "encoders.safetensors")
    assert same(
        state, {n: t for n, t in model.state_dict().items() if n.partition("encoder.")[0] in ("image_", "text_")}
    )
    other = released("adapter_lora", weights=tmp_path / "encoders.safetensors")
    assert same(other.image_encoder.state_dict(), model.image_encoder.state_dict())
    assert not other.cross_modal.layers[0].weight.equal(model.cross_modal.layers[0].weight)
    with pytest.raises(InputError, match=r"last\.ckpt holds no 'image_encodr'; did you mean 'image_encoder'\?"):
        list(convert(ours, tmp_path / "out.safetensors", components=["image_encodr"]))
    with pytest.raises(InputError, match="leave out --merge"):
        list(convert(ours, tmp_path / "out.safetensors", merge=True, components=["image_encoder"]))
    assert not (tmp_path / "out.safetensors").exists()


def test_sam_is_taken_out_of_a_file_of_evf_sam(tmp_path: Path) -> None:
    own = EvfSam(SmallVit(image_size=96), Beit3(BEIT3)).state_dict()
    torch.save({published_name(name): tensor for name, tensor in own.items()}, tmp_path / "evf_sam.bin")
    (line,) = convert(tmp_path / "evf_sam.bin", tmp_path / "sam.safetensors")
    found = load_file(tmp_path / "sam.safetensors")
    assert line.startswith(f"{tmp_path / 'sam.safetensors'}: {len(found)} tensors of image_encoder.")
    assert found.keys() == {name for name in own if not name.startswith(("beit3.", "text_hidden_fcs."))}
    assert all(torch.equal(tensor, own[name]) for name, tensor in found.items())
    torch.save(
        {name: torch.zeros(1) for name in shapes(EvfSam2, evf_sam2.encoders["small"], BEIT3)}, tmp_path / "evf_sam2.bin"
    )
    with pytest.raises(InputError, match="EVF-SAM over SAM 2; system evf_sam2 reads"):
        list(convert(tmp_path / "evf_sam2.bin", tmp_path / "other.safetensors"))
