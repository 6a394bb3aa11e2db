"""Runs made before 0.1.0 name classes where they stood then."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningDataModule

from refsam_zoo import load_model
from refsam_zoo.errors import InputError
from refsam_zoo.former_names import present_name, with_present_names
from refsam_zoo.model.prompts.gated import gated_dense_attention
from refsam_zoo.model.prompts.sparse import scaled_word_tokens
from refsam_zoo.model.trackers.frame_memory import frame_memory
from refsam_zoo.options.parser import ConfigFile, OneLineErrors
from refsam_zoo.systems.released import ReleasedPredictor
from refsam_zoo.training.module import ReferringSegmentation

sys.path.insert(0, str(Path(__file__).parent / "training"))
from test_module import saved, segmentation

FORMER = {
    "evaluation.callback": "EvaluationCallback",
    "evaluation.submission_writer": "SubmissionWriter",
    "inference.mask_writer": "MaskWriter",
    "inference.predictor": "Predictor",
    "inference.released": "ReleasedPredictor",
    "training.protocol_callback": "ProtocolCallback",
    "video.augmentation": "ClipAugmentation PseudoClipAugmentation",
    "video.clip_sampling": "ConsecutiveSampling NeighbourSampling UniformSampling WholeVideoSampling",
    "model.decoder_variants": "existence_decoder text_conditioned_decoder",
    "model.mask_decoder": "MaskDecoder sam_decoder",
    "model.cross_modal": "word_tokens scaled_word_tokens word_attention no_words dense_attention sentence_sum no_dense "
    "hierarchical_dense_attention",
    "model.fusion": "tempered_dense_attention tempered_hierarchical_dense_attention gated_dense_attention "
    "two_way_dense_attention",
    "model.image_encoders.timm": "sam2_hiera_tiny sam2_hiera_small sam2_hiera_base_plus sam2_hiera_large",
    "model.tracking": "track_mlp query_interaction frame_memory no_tracker",
}
"""Every class below `refsam_zoo` that a configuration could name and that has moved."""

CLASSES = [f"refsam_zoo.{module}.{name}" for module, names in FORMER.items() for name in names.split()]


@pytest.mark.parametrize("former", CLASSES)
def test_a_class_is_found_where_it_is_now(former: str) -> None:
    module, _, name = present_name(former).rpartition(".")
    found = getattr(importlib.import_module(module), name)
    assert (found.__module__, found.__qualname__) == (module, name)
    assert present_name(f"{module}.{name}") == f"{module}.{name}"
    assert module != former.rpartition(".")[0]


def test_other_names_stay() -> None:
    options = {"class_path": "refsam_zoo.model.tuners.lora.lora", "init_args": {"targets": ["q", 3], "rank": None}}
    assert with_present_names(options) == options
    for name in ("another.model.tracking.track_mlp", "refsam_zoo.model.cross_modal.CrossModalMLP", "vit_b", ""):
        assert present_name(name) == name


def test_a_former_checkpoint_is_loaded(tmp_path: Path) -> None:
    module = segmentation(
        sparse_prompt=scaled_word_tokens(),
        dense_prompt=gated_dense_attention(),
        tracker=frame_memory(),
        predictor=ReleasedPredictor,
    )
    checkpoint = saved(module, tmp_path)
    content = torch.load(checkpoint, weights_only=True)
    former = {present_name(name): name for name in CLASSES}
    text = json.dumps(content["hyper_parameters"])
    for now, then in former.items():
        text = text.replace(f'"{now}"', f'"{then}"')
    assert "model.tracking.frame_memory" in text
    assert "model.mask_decoder.sam_decoder" in text
    assert "inference.released.ReleasedPredictor" in text
    torch.save({**content, "hyper_parameters": json.loads(text)}, checkpoint)

    assert content["hyper_parameters"]["_instantiator"] == "lightning.pytorch.cli.instantiate_module"
    again = ReferringSegmentation.load_from_checkpoint(checkpoint, weight_decay=0.25)
    assert (again.weight_decay, type(again.system)) == (0.25, ReleasedPredictor)
    for model in (load_model(checkpoint), again.model):
        found = model.state_dict()
        assert found.keys() == module.model.state_dict().keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in module.model.state_dict().items())


def test_a_former_configuration_is_read(ref_shapes: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        f"""
data:
  class_path: refsam_zoo.data_modules.RefShapes
  init_args:
    root: {ref_shapes}
    clip_sampling: {{class_path: refsam_zoo.video.clip_sampling.NeighbourSampling}}
    augmentation: {{class_path: refsam_zoo.video.augmentation.ClipAugmentation, init_args: {{flip: 0.25}}}}
"""
    )
    parser = OneLineErrors()
    parser.add_subclass_arguments(LightningDataModule, "data")
    parser.add_argument("--config", action=ConfigFile)
    data = parser.instantiate(parser.parse_args([f"--config={path}"])).data
    assert data.augmentation.flip == 0.25
    assert type(data.augmentation).__module__ == "refsam_zoo.clips.augmentation"

    flag = "--data.augmentation=refsam_zoo.video.augmentation.ClipAugmentation"
    assert parser.parse_args([f"--config={path}", flag]).data.init_args.augmentation.class_path.startswith(
        "refsam_zoo.clips"
    )
    with pytest.raises(InputError, match="augmentation"):
        parser.parse_args([f"--config={path}", flag.replace("video.augmentation", "video.augmentations")])
