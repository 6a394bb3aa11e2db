"""Every configuration file that is a composition is parsed, built and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from jsonargparse import ArgumentParser

from refsam_zoo.ablation import BASES, read_table
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS
from refsam_zoo.training.module import ReferringSegmentation
from refsam_zoo.types import ClipBatch

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
SMALL = sorted([*CONFIGS.glob("variants/*.yaml"), *CONFIGS.glob("ablations/*/*.yaml")])
SMALL = [path for path in SMALL if path.parent.name != "image_encoder"]
LARGE = [*sorted(CONFIGS.glob("ablations/image_encoder/*.yaml")), *sorted(CONFIGS.glob("vit_*.yaml"))]
PRESETS = [CONFIGS / "reproduction.yaml", CONFIGS / "refsam_plus.yaml"]
SMALL_ENCODERS = {
    "model": {"image_encoder": {"class_path": "vit_tiny", "init_args": {"image_size": 96}}, "text_encoder": "clip_tiny"}
}
PARTS = ("image_encoder", "text_encoder", "cross_modal", "sparse_prompt", "dense_prompt", "mask_decoder", "tracker")

# Lightning would rather not have modules among the hyper-parameters; the command line puts plain values there
pytestmark = pytest.mark.filterwarnings("ignore:Attribute .* is an instance of `nn.Module`")


@pytest.fixture(scope="module")
def parser() -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(ReferringSegmentation, "model")
    # what the command line sets too
    parser.set_defaults(
        {
            "model.text_tuner": "frozen",
            "model.cross_modal": "CrossModalMLP",
            "model.mask_decoder": "refsam_zoo.model.mask_decoder.MaskDecoder",
            "model.loss": "MaskLoss",
            "model.alignment": "AlignmentLoss",
        }
    )
    return parser


def model_of(path: Path) -> dict[str, Any]:
    return {"model": yaml.safe_load(path.read_text(encoding="utf-8")).get("model", {})}


def build(parser: ArgumentParser, *parts: Path | dict[str, Any], device: str = "cpu") -> ReferringSegmentation:
    """Merges files as several `--config` are merged."""
    config = None
    for part in parts:
        config = parser.parse_object(part if isinstance(part, dict) else model_of(part), config)
    torch.manual_seed(0)
    with torch.device(device):
        return parser.instantiate(config).model


def named(path: Path) -> dict[str, str]:
    """Part -> the short name of its class, of the parts that a file names."""
    parts = {key: value for key, value in model_of(path)["model"].items() if key in PARTS}
    names = {key: value if isinstance(value, str) else value["class_path"] for key, value in parts.items()}
    return {key: name.split(".")[-1] for key, name in names.items()}


def small_base(path: Path) -> list[Path | dict[str, Any]]:
    """What a small composition is put behind."""
    if path.parent.name == "variants":
        return [CONFIGS / "vit_b.yaml", SMALL_ENCODERS]
    return [ROOT / base for base in BASES[:2]]  # without pretrained encoders


def unused_in_one_frame(module: ReferringSegmentation) -> list[str]:
    """Names of the trained parameters that a clip of one frame leaves without a gradient, at which DDP would stop."""
    batch = ClipBatch(
        frames=torch.zeros(1, 1, 3, 48, 64, dtype=torch.uint8),
        sizes=[(48, 64)],
        expressions=["the red circle"],
        clip_index=torch.zeros(1, dtype=torch.long),
        masks=torch.ones(1, 1, 48, 64, dtype=torch.bool),
        clips=[],
    )
    module.zero_grad()
    module.training_step(batch, 0).backward()
    return [name for name, part in module.named_parameters() if part.requires_grad and part.grad is None]


@pytest.mark.parametrize("path", SMALL, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_small_compositions_segment(path: Path, parser: ArgumentParser) -> None:
    module = build(parser, *small_base(path), path).train()
    model = module.model
    assert {part: type(getattr(model, part)).__name__ for part in named(path)} == named(path)
    language = model.encode_text(["the red circle", "the small blue square"])
    frames = model.encode_images(torch.zeros(1, 3, 48, 64, dtype=torch.uint8)).select(torch.tensor([0, 0]))
    first = model.segment(frames, language)
    second = model.segment(frames, language, first.track_token)
    second.low_res_logits.square().mean().backward()
    trained = [part for part in PARTS if any(p.grad is not None for p in getattr(model, part).parameters())]
    assert {"cross_modal", "mask_decoder"} <= set(trained)
    assert not unused_in_one_frame(module)


@pytest.mark.parametrize("path", [*LARGE, *PRESETS], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_large_compositions_are_built(path: Path, parser: ArgumentParser) -> None:
    files = [path] if path.parent == CONFIGS else [CONFIGS / "vit_b.yaml", path]
    model = build(parser, *files, device="meta").model
    assert {part: type(getattr(model, part)).__name__ for part in named(path)} == named(path)


@pytest.mark.parametrize("name", [name for name in IMAGE_ENCODERS if name != "vit_tiny"])
def test_the_demo_fits_every_image_encoder(name: str, parser: ArgumentParser) -> None:
    encoder: Any = {"class_path": name, "init_args": {"backbone": "resnet18"}} if name == "timm" else name
    model = build(parser, CONFIGS / "demo.yaml", {"model": {"image_encoder": encoder}}, device="meta").model
    assert type(model.image_encoder).__name__ == name
    assert model.tracker.width == model.image_encoder.embedding_width


def test_tuners_train_what_they_say(parser: ArgumentParser) -> None:
    trained = {}
    for name in ("adapter", "lora", "frozen"):
        encoder = build(parser, CONFIGS / "vit_b.yaml", CONFIGS / f"variants/{name}.yaml", device="meta").model
        count = sum(p.numel() for p in encoder.image_encoder.parameters() if p.requires_grad)
        trained[name] = count
    assert trained == {"adapter": 3_550_464, "lora": 73_728, "frozen": 0}


def test_every_table_lists_its_rows() -> None:
    tables = [path.parent for path in CONFIGS.glob("ablations/*/paper.csv")]
    assert {table.name for table in tables} == {path.parent.name for path in CONFIGS.glob("ablations/*/*.yaml")}
    for table in tables:
        assert all(row.title for row in read_table(table))
