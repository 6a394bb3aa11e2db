"""A model trained from a Python program is there again from its checkpoint alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch import Trainer

from refsam_zoo import load_model
from refsam_zoo.data_modules import RefShapes
from refsam_zoo.errors import InputError
from refsam_zoo.model.cross_modal import CrossModalMLP
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS
from refsam_zoo.model.image_encoders.vit_tiny import vit_tiny
from refsam_zoo.model.mask_decoders.sam import sam_decoder
from refsam_zoo.model.prompts.dense import hierarchical_dense_attention
from refsam_zoo.model.prompts.sparse import word_tokens
from refsam_zoo.model.text_encoders.clip_tiny import clip_tiny
from refsam_zoo.model.trackers.track_mlp import track_mlp
from refsam_zoo.model.tuners import TUNERS
from refsam_zoo.systems.released import ReleasedPredictor
from refsam_zoo.training.losses import AlignmentLoss, MaskLoss
from refsam_zoo.training.module import ReferringSegmentation

sys.path.insert(0, str(Path(__file__).parent))
from own_parts import SmallerEncoder, WithObject


def segmentation(**parts: Any) -> ReferringSegmentation:
    chosen: dict[str, Any] = {
        "image_encoder": vit_tiny(image_size=64),
        "text_encoder": clip_tiny(layers=1),
        "tuner": TUNERS.build("lora", rank=2),
        "text_tuner": TUNERS.build("full"),
        "cross_modal": CrossModalMLP(0),
        "sparse_prompt": word_tokens(),
        "dense_prompt": hierarchical_dense_attention(),
        "mask_decoder": sam_decoder(mlp_width=64),
        "tracker": track_mlp(),
        "loss": MaskLoss(stride=2),
        "alignment": AlignmentLoss(weight=0.5),
    }
    return ReferringSegmentation(**chosen | parts)


def saved(module: ReferringSegmentation, folder: Path) -> Path:
    """Saves without training, as `Trainer.fit` would."""
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, default_root_dir=folder)
    trainer.strategy.connect(module)
    trainer.save_checkpoint(folder / "saved.ckpt", weights_only=True)
    return folder / "saved.ckpt"


def test_trained_from_python_and_loaded_again(ref_shapes: Path, tmp_path: Path) -> None:
    module = segmentation(predictor=ReleasedPredictor)
    data = RefShapes(str(ref_shapes), clip_frames=1, workers=0)
    trainer = Trainer(
        accelerator="cpu", max_steps=1, limit_val_batches=0, logger=False, default_root_dir=tmp_path,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(module, data)
    (checkpoint,) = tmp_path.glob("**/*.ckpt")
    for found in (load_model(checkpoint), ReferringSegmentation.load_from_checkpoint(checkpoint).model):
        weights = found.state_dict()
        assert weights.keys() == module.model.state_dict().keys()
        assert all(torch.equal(weights[name], tensor) for name, tensor in module.model.state_dict().items())
    again = ReferringSegmentation.load_from_checkpoint(checkpoint)
    assert (again.loss.stride, again.alignment.weight) == (2, 0.5)
    assert isinstance(again.system, ReleasedPredictor)


@pytest.mark.parametrize("encoder", [lambda: IMAGE_ENCODERS.build("vit_tiny"), SmallerEncoder], ids=["name", "own"])
def test_parts_by_name_and_of_a_users_own(encoder: Any, tmp_path: Path) -> None:
    module = segmentation(image_encoder=encoder())
    found = load_model(saved(module, tmp_path))
    assert type(found.image_encoder) is type(module.model.image_encoder)
    assert found.image_encoder.image_size == module.model.image_encoder.image_size


def test_hyper_parameters_are_plain(tmp_path: Path) -> None:
    hyper_parameters = dict(segmentation().hparams)
    assert yaml.safe_load(yaml.safe_dump(hyper_parameters)) == hyper_parameters
    assert hyper_parameters["tuner"]["class_path"] == "refsam_zoo.model.tuners.lora.lora"


def test_what_cannot_be_described_is_named(tmp_path: Path) -> None:
    checkpoint = saved(segmentation(tracker=WithObject(object())), tmp_path)
    with pytest.raises(InputError, match=r"how its tracker was made"):
        load_model(checkpoint)


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'trackr'"):
        segmentation(trackr=track_mlp())
