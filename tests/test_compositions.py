"""Every configuration file that is a composition is parsed, built and run."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from compositions import (
    CONFIGS,
    PRESETS,
    SMALL,
    SMALL_ENCODERS,
    TRAINED,
    build,
    in_small,
    model_of,
    model_parser,
    moving_box,
    small_base,
)
from jsonargparse import ArgumentParser
from lightning.pytorch import Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch.utils.data import DataLoader

from refsam_zoo.ablations.runs import read_table
from refsam_zoo.model.composition import compose
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS
from refsam_zoo.model.mask_decoders import MASK_DECODERS
from refsam_zoo.model.trackers.candidate_tracks import candidate_tracks
from refsam_zoo.registry import ROLES
from refsam_zoo.training.module import ReferringSegmentation
from refsam_zoo.types import Clip, ClipBatch

LARGE = [*sorted(CONFIGS.glob("ablations/image_encoder/*.yaml")), *sorted(CONFIGS.glob("vit_*.yaml"))]
PARTS = ("cross_modal", *(role for role in ROLES if role in signature(compose).parameters and "tuner" not in role))

# Lightning would rather not have modules among the hyper-parameters; the command line puts plain values there
pytestmark = pytest.mark.filterwarnings("ignore:Attribute .* is an instance of `nn.Module`")

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "64-true", "bf16-true")


@pytest.fixture(scope="module")
def parser() -> ArgumentParser:
    return model_parser()


def named(path: Path) -> dict[str, str]:
    """Part -> the short name of its class, of the parts that a file names."""
    parts = {key: value for key, value in model_of(path)["model"].items() if key in PARTS}
    names = {key: value if isinstance(value, str) else value["class_path"] for key, value in parts.items()}
    return {key: name.split(".")[-1] for key, name in names.items()}


def unused_in_one_frame(module: ReferringSegmentation) -> list[str]:
    """Names of the trained parameters that a clip of one frame leaves without a gradient, at which DDP would stop."""
    batch = ClipBatch(
        frames=torch.zeros(1, 1, 3, 48, 64, dtype=torch.uint8),
        sizes=[(48, 64)],
        expressions=["the red circle"],
        clip_index=torch.zeros(1, dtype=torch.long),
        masks=torch.ones(1, 1, 48, 64, dtype=torch.bool),
        clips=[Clip(np.zeros((0, 0, 0, 3), np.uint8), ("0",), (), ("the red circle",), None)],
        objects=[torch.ones(1, 1, 48, 64, dtype=torch.bool)],
    )
    module.zero_grad()
    module.training_step(batch, 0).backward()
    return [name for name, part in module.named_parameters() if part.requires_grad and part.grad is None]


@pytest.mark.parametrize("size", [(1, 60), (700, 1), (3, 500)])
def test_strips_are_trained_on(parser: ArgumentParser, size: tuple[int, int]) -> None:
    module = build(
        parser,
        CONFIGS / "vit_b.yaml",
        SMALL_ENCODERS,
        {"model": {"loss": {"class_path": "MaskLoss", "init_args": {"stride": 2}}}},
    )
    batch = ClipBatch(
        frames=torch.full((1, 2, 3, *size), 200, dtype=torch.uint8),
        sizes=[size],
        expressions=["the red circle"],
        clip_index=torch.zeros(1, dtype=torch.long),
        masks=torch.ones(1, 2, *size, dtype=torch.bool),
        clips=[],
    )
    assert module.training_step(batch, 0).isfinite()


@pytest.mark.parametrize("path", SMALL, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_small_compositions_segment(path: Path, parser: ArgumentParser) -> None:
    module = build(parser, *small_base(path), path).train()
    model = module.model
    if isinstance(model.tracker, candidate_tracks):
        torch.nn.init.constant_(model.tracker.finder.heat.bias, 3.0)  # finds objects anywhere
    assert {part: type(getattr(model, part)).__name__ for part in named(path)} == named(path)
    language = model.encode_text(["the red circle", "the small blue square"])
    frames = model.encode_images(torch.zeros(1, 3, 48, 64, dtype=torch.uint8)).select(torch.tensor([0, 0]))
    first = model.segment(frames, language)
    second = model.segment(frames, language, first.track_token)
    (second.low_res_logits.square().mean() + second.iou.sum()).backward()
    trained = [part for part in PARTS if any(p.grad is not None for p in getattr(model, part).parameters())]
    assert {"cross_modal", "mask_decoder"} <= set(trained)
    assert not unused_in_one_frame(module)


@pytest.mark.parametrize("decoder", list(MASK_DECODERS))
def test_every_mask_decoder_makes_masks_of_objects(decoder: str, parser: ArgumentParser) -> None:
    plus = model_of(CONFIGS / "refsam_plus.yaml")
    if decoder == "sam2_decoder":
        module = build(parser, *in_small(CONFIGS / "sam2_base_plus.yaml"), plus)
    else:
        module = build(parser, *in_small(CONFIGS / "refsam_plus.yaml"), {"model": {"mask_decoder": decoder}})
    assert type(module.model.mask_decoder).__name__ == decoder
    assert unused_in_one_frame(module) == []
    kernels = module.model.mask_decoder.output_hypernetworks_mlps[0]
    assert all(part.grad is not None and part.grad.any() for part in kernels.parameters())


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


def train(module: ReferringSegmentation, precision: Any, algorithm: str, folder: Path) -> None:
    """Takes two steps of two batches each, and looks at a batch more."""
    scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    # Lightning has float16 on processors only as a plug-in
    plugins = [MixedPrecision("16-mixed", "cpu", scaler)] if precision == "16-mixed" else None
    trainer = Trainer(
        accelerator="cpu",
        precision=None if plugins else precision,
        plugins=plugins,
        max_steps=2,
        accumulate_grad_batches=2,
        gradient_clip_val=0.5,
        gradient_clip_algorithm=algorithm,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )
    batches: list[Any] = [moving_box(number) for number in range(4)]
    trainer.fit(module, DataLoader(batches, batch_size=None), DataLoader(batches[:1], batch_size=None))
    assert trainer.global_step == 2


@pytest.mark.slow
@pytest.mark.parametrize("path", TRAINED, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_compositions_train_in_every_precision(path: Path, parser: ArgumentParser, tmp_path: Path) -> None:
    module = build(parser, *in_small(path))
    for number, precision in enumerate(PRECISIONS):
        # those that change the weights' own precision come last
        before = {name: part.detach().clone() for name, part in module.named_parameters() if part.requires_grad}
        train(module, precision, ("norm", "value")[number % 2], tmp_path)
        after = {name: module.get_parameter(name).detach().to(part) for name, part in before.items()}
        assert all(part.isfinite().all() for part in after.values()), precision
        assert any(not part.equal(before[name]) for name, part in after.items()), precision


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
