"""Referring video object segmentation with every part swappable.

    import numpy as np
    import refsam_zoo

    model = refsam_zoo.create_model("refsam_vit_tiny", text_encoder="clip_tiny", tuner="frozen")
    frames = np.zeros((2, 48, 64, 3), np.uint8)
    for found in refsam_zoo.Predictor(model).stream(frames, ["the red circle", "the blue star"]):
        print(found.masks.shape)

- Models: `create_model`, `load_model`, `list_models`, `model_info`, `RefSAM`.
- Systems: `create_system` by name, RefSAM or another; `segment` for a video into a folder; `Predictor` for a RefSAM
  that is there already; `VideoSession` for sentences added and masks corrected in mid-video, by a `Correction`;
  `VideoSegmenter`, the base class of all.
- Scores: `evaluate` for masks of any system, `EvaluationCallback` while a model is tested; `Calibration` of what a
  system says of its own masks.
- Training: `ReferringSegmentation` with Lightning's `Trainer`.
- Data: `ReferringDataModule` and one class per data set, `Mixture`, `Shards`; how clips are chosen and augmented;
  `Referral` and `ClipBatch`, what they give; `open_video` for pixels.
- Parts of one's own: the registries, `ModelCard`, and the base classes of the seven roles.
- `InputError`: what is raised where something given is wrong.

These names are the public interface. Everything else is private by its place: a module below `refsam_zoo` may change
without notice. Paths are given as `str` or `Path`. Names are imported on first use, so `import refsam_zoo` is fast.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from refsam_zoo.errors import InputError as InputError

if TYPE_CHECKING:
    from refsam_zoo.calibration import Calibration as Calibration
    from refsam_zoo.callbacks.scores import EvaluationCallback as EvaluationCallback
    from refsam_zoo.checkpoints.restoring import load_model as load_model
    from refsam_zoo.external_masks import evaluate as evaluate
    from refsam_zoo.data_modules import (
        LVVIS as LVVIS,
        A2DSentences as A2DSentences,
        ClipAugmentation as ClipAugmentation,
        ConsecutiveSampling as ConsecutiveSampling,
        FeVOS as FeVOS,
        GroundMoRe as GroundMoRe,
        InterRVOS as InterRVOS,
        JHMDBSentences as JHMDBSentences,
        LongRVOS as LongRVOS,
        MeViS as MeViS,
        Mixture as Mixture,
        NeighbourSampling as NeighbourSampling,
        PseudoClipAugmentation as PseudoClipAugmentation,
        ReasonVOS as ReasonVOS,
        RefCOCO as RefCOCO,
        RefDAVIS17 as RefDAVIS17,
        ReferringDataModule as ReferringDataModule,
        ReferringFolder as ReferringFolder,
        ReferYouTubeVOS as ReferYouTubeVOS,
        RefSAV as RefSAV,
        RefShapes as RefShapes,
        ReVOS as ReVOS,
        Shards as Shards,
        UniformSampling as UniformSampling,
        WholeVideoSampling as WholeVideoSampling,
    )
    from refsam_zoo.evaluation.protocols import Evaluation as Evaluation
    from refsam_zoo.commands.segment import segment as segment
    from refsam_zoo.model.image_encoders import ImageEncoder as ImageEncoder
    from refsam_zoo.model.mask_decoders import MaskDecoder as MaskDecoder
    from refsam_zoo.model.prompts import DensePrompt as DensePrompt, SparsePrompt as SparsePrompt
    from refsam_zoo.model.refsam import RefSAM as RefSAM
    from refsam_zoo.model.text_encoders import TextEncoder as TextEncoder
    from refsam_zoo.model.trackers import Tracker as Tracker
    from refsam_zoo.model.tuners import Tuner as Tuner
    from refsam_zoo.registry import ModelCard as ModelCard, Registry as Registry
    from refsam_zoo.systems.base import FrameMasks as FrameMasks, VideoSegmenter as VideoSegmenter
    from refsam_zoo.systems.predictor import Predictor as Predictor
    from refsam_zoo.systems.corrections import Correction as Correction
    from refsam_zoo.systems.session import VideoSession as VideoSession
    from refsam_zoo.training.module import ReferringSegmentation as ReferringSegmentation
    from refsam_zoo.types import Clip as Clip, ClipBatch as ClipBatch, Referral as Referral, VideoSource as VideoSource
    from refsam_zoo.video.base import VideoReader as VideoReader
    from refsam_zoo.video.readers import open_video as open_video
    from refsam_zoo.zoo import (
        ModelInfo as ModelInfo,
        create_model as create_model,
        create_system as create_system,
        list_models as list_models,
        model_info as model_info,
    )

__version__ = version("refsam-zoo")

_PUBLIC = {
    "refsam_zoo.calibration": ("Calibration",),
    "refsam_zoo.callbacks.scores": ("EvaluationCallback",),
    "refsam_zoo.checkpoints.restoring": ("load_model",),
    "refsam_zoo.commands.segment": ("segment",),
    "refsam_zoo.data_modules": (
        "LVVIS",
        "A2DSentences",
        "ClipAugmentation",
        "ConsecutiveSampling",
        "FeVOS",
        "GroundMoRe",
        "InterRVOS",
        "JHMDBSentences",
        "LongRVOS",
        "MeViS",
        "Mixture",
        "NeighbourSampling",
        "PseudoClipAugmentation",
        "ReasonVOS",
        "RefCOCO",
        "RefDAVIS17",
        "ReferringDataModule",
        "ReferringFolder",
        "ReferYouTubeVOS",
        "RefSAV",
        "RefShapes",
        "ReVOS",
        "Shards",
        "UniformSampling",
        "WholeVideoSampling",
    ),
    "refsam_zoo.evaluation.protocols": ("Evaluation",),
    "refsam_zoo.external_masks": ("evaluate",),
    "refsam_zoo.model.image_encoders": (
        "IMAGE_ENCODERS",
        "ImageEncoder",
    ),
    "refsam_zoo.model.mask_decoders": (
        "MASK_DECODERS",
        "MaskDecoder",
    ),
    "refsam_zoo.model.prompts": (
        "DENSE_PROMPTS",
        "SPARSE_PROMPTS",
        "DensePrompt",
        "SparsePrompt",
    ),
    "refsam_zoo.model.refsam": ("RefSAM",),
    "refsam_zoo.model.text_encoders": (
        "TEXT_ENCODERS",
        "TextEncoder",
    ),
    "refsam_zoo.model.trackers": (
        "TRACKERS",
        "Tracker",
    ),
    "refsam_zoo.model.tuners": (
        "TUNERS",
        "Tuner",
    ),
    "refsam_zoo.registry": (
        "ModelCard",
        "Registry",
    ),
    "refsam_zoo.systems.base": (
        "SYSTEMS",
        "FrameMasks",
        "VideoSegmenter",
    ),
    "refsam_zoo.systems.predictor": ("Predictor",),
    "refsam_zoo.systems.corrections": ("Correction",),
    "refsam_zoo.systems.session": ("VideoSession",),
    "refsam_zoo.training.module": ("ReferringSegmentation",),
    "refsam_zoo.types": (
        "Clip",
        "ClipBatch",
        "Referral",
        "VideoSource",
    ),
    "refsam_zoo.video.base": ("VideoReader",),
    "refsam_zoo.video.readers": ("open_video",),
    "refsam_zoo.zoo": (
        "ModelInfo",
        "create_model",
        "create_system",
        "list_models",
        "model_info",
    ),
}
__all__ = sorted(["InputError", *(name for names in _PUBLIC.values() for name in names)])

IMAGE_ENCODERS: Registry[ImageEncoder]
"""Image encoders by name."""

TEXT_ENCODERS: Registry[TextEncoder]
"""Text encoders by name."""

TUNERS: Registry[Tuner]
"""Tuners by name: what is trained of an encoder."""

SPARSE_PROMPTS: Registry[SparsePrompt]
"""Sparse prompts by name: tokens made of the words."""

DENSE_PROMPTS: Registry[DensePrompt]
"""Dense prompts by name: a map made of words and image."""

MASK_DECODERS: Registry[MaskDecoder]
"""Mask decoders by name."""

TRACKERS: Registry[Tracker]
"""Trackers by name: what is carried from frame to frame."""

SYSTEMS: Registry[VideoSegmenter[Any]]
"""Systems by name: what turns frames and sentences into masks."""

if not TYPE_CHECKING:  # a type checker would take every misspelt name for Any

    def __getattr__(name):
        for module, names in _PUBLIC.items():
            if name in names:
                import importlib

                if module == "refsam_zoo.data_modules":
                    importlib.import_module(f"{module}.base").join_lightning()
                globals()[name] = found = getattr(importlib.import_module(module), name)
                return found
        # Python itself looks for the nearest name, and only where somebody sees it: jsonargparse asks for hundreds
        raise AttributeError(f"module 'refsam_zoo' has no attribute '{name}'", name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
