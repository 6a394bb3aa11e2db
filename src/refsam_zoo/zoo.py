"""The zoo from Python: `create_model`, `create_system`, `list_models`, `model_info`."""

from __future__ import annotations

import fnmatch
import importlib
import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.model.composition import compose
from refsam_zoo.model.cross_modal import CrossModalMLP
from refsam_zoo.model.image_encoders import IMAGE_ENCODERS, ImageEncoder
from refsam_zoo.model.mask_decoders import MASK_DECODERS, MaskDecoder
from refsam_zoo.model.prompts import DENSE_PROMPTS, SPARSE_PROMPTS, DensePrompt, SparsePrompt
from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.model.text_encoders import TEXT_ENCODERS, TextEncoder
from refsam_zoo.model.trackers import TRACKERS, Tracker
from refsam_zoo.model.tuners import TUNERS, Tuner
from refsam_zoo.precision import choose_device
from refsam_zoo.registry import Registry
from refsam_zoo.systems import SYSTEMS, VideoSegmenter
from refsam_zoo.zoo_entries import ModelInfo

T = TypeVar("T")
_PREFIX = "refsam_"


def create_model(
    name: str = "refsam_vit_b",
    text_encoder: str | TextEncoder = "roberta_base",
    tuner: str | Tuner = "adapter",
    text_tuner: str | Tuner = "frozen",
    sparse_prompt: str | SparsePrompt = "word_tokens",
    dense_prompt: str | DensePrompt = "hierarchical_dense_attention",
    tracker: str | Tracker = "track_mlp",
    image_encoder: ImageEncoder | None = None,
    mask_decoder: str | MaskDecoder = "sam_decoder",
    hidden_layers: int = 1,
    decoder_checkpoint: str | Path | None = None,
    weights: str | Path | None = None,
) -> RefSAM:
    """Composes a RefSAM; every part is a short name, an import path `package.module.Class` or a ready object.

    Args:
        name: `refsam_<image encoder>`, or `refsam_timm/<name in timm>`.
        text_encoder: Text encoder.
        tuner: What is trained of the image encoder.
        text_tuner: What is trained of the text encoder.
        sparse_prompt: Prompt tokens made of the words.
        dense_prompt: Prompt map made of words and image.
        tracker: What is carried from frame to frame.
        image_encoder: A ready image encoder, for instance `vit_b(checkpoint=...)`; replaces the one in `name`.
        mask_decoder: Mask decoder.
        hidden_layers: Hidden layers of the Cross-Modal MLP.
        decoder_checkpoint: SAM checkpoint whose prompt encoder and mask decoder are loaded.
        weights: Components to start from, loaded last: a file of `refsam-zoo convert` or a run's checkpoint.

    Returns:
        The model in evaluation mode, with random weights where no part was given a checkpoint.

    Raises:
        InputError: A name is unknown; the message suggests the nearest one.
    """
    if image_encoder is None:
        short = name.removeprefix(_PREFIX)
        if IMAGE_ENCODERS.spell_out(short)[0] not in IMAGE_ENCODERS and "." not in name:
            raise InputError(f"unknown model '{name}'{nearest_name(name, list_models())}")
        image_encoder = _part(IMAGE_ENCODERS, short)
    return compose(
        image_encoder,
        _part(TEXT_ENCODERS, text_encoder),
        _part(TUNERS, tuner),
        _part(TUNERS, text_tuner),
        CrossModalMLP(hidden_layers),
        _part(SPARSE_PROMPTS, sparse_prompt),
        _part(DENSE_PROMPTS, dense_prompt),
        _part(MASK_DECODERS, mask_decoder),
        _part(TRACKERS, tracker),
        decoder_checkpoint,
        weights,
    ).eval()


def create_system(
    name: str, *, device: str | torch.device = "auto", compile: bool = False, **options: Any
) -> VideoSegmenter[Any]:
    """Makes a system that turns frames and sentences into masks, ready to be used.

    It computes in float32, or in the precision of the `torch.autocast` that its `stream` is read in.

    Args:
        name: Short name, such as `clipseg`, or the import path `package.module.Class` of a `VideoSegmenter`.
        device: "cpu", "cuda", "cuda:1", ...; "auto" takes a GPU where there is one.
        compile: Compile the parts that take the time: the first frames take minutes, later ones less time.
        options: What the system's class takes; most need to know where their weights are.

    Raises:
        InputError: The name is unknown, the message suggests the nearest one; there is no such device; or the weights
            are missing, incomplete or of something else.
    """
    target = choose_device(str(device))
    system = _part(SYSTEMS, name, **options)
    system.model.to(target)
    if compile:
        system.compile()
    return system


def _part(registry: Registry[T], value: str | T, **options: Any) -> T:
    if not isinstance(value, str):
        return value
    if "." not in value or registry.spell_out(value)[1]:
        return registry.build(value, **options)
    module, _, attribute = value.rpartition(".")
    try:
        entry = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"cannot import the {registry.role} '{value}': {error}") from error
    part: T = entry(**options)
    return part


def list_models(filter: str = "*") -> list[str]:
    """Lists model names that match a shell pattern, such as `*vit*`; timm's backbones are not listed."""
    return fnmatch.filter(
        [_PREFIX + name for name in IMAGE_ENCODERS if not _needs_options(IMAGE_ENCODERS.get(name))], filter
    )


def model_info(name: str) -> ModelInfo:
    """Tells the facts about an entry of any registry, or about a model's image encoder.

    Raises:
        InputError: Unknown name.
    """
    short = name.removeprefix(_PREFIX)
    for registry in _REGISTRIES:
        if short in registry:
            return _info(registry, short)
    raise InputError(f"unknown name '{name}'{nearest_name(short, [n for r in _REGISTRIES for n in r])}")


def list_entries(pattern: str = "*") -> list[ModelInfo]:
    """Tells the facts about every entry of every registry whose name matches a shell pattern."""
    return [_info(registry, name) for registry in _REGISTRIES for name in fnmatch.filter(registry, pattern)]


_REGISTRIES: Sequence[Registry[Any]] = (
    IMAGE_ENCODERS,
    TEXT_ENCODERS,
    TUNERS,
    SPARSE_PROMPTS,
    DENSE_PROMPTS,
    MASK_DECODERS,
    TRACKERS,
    SYSTEMS,
)
"""In the order of the table."""


def _info(registry: Registry[Any], name: str) -> ModelInfo:
    cls = registry.get(name)
    card, summary = registry.card(name), (inspect.getdoc(cls) or "").split("\n")[0]
    info = ModelInfo(registry.role, name, card, summary, card.parameters)
    if registry not in (IMAGE_ENCODERS, TEXT_ENCODERS) or _needs_options(cls):
        return info
    with torch.device("meta"):  # shapes without memory
        encoder = registry.build(name)
    return replace(
        info,
        parameters=sum(parameter.numel() for parameter in encoder.parameters()),
        image_size=getattr(encoder, "image_size", None),
        width=encoder.width,
        preprocessing=_preprocessing(encoder),
    )


def _preprocessing(encoder: ImageEncoder | TextEncoder) -> str:
    if isinstance(encoder, TextEncoder):
        return f"at most {encoder.max_tokens} tokens, longer sentences are cut with a warning"
    mean, std = (", ".join(f"{value:g}" for value in values) for values in (encoder.pixel_mean, encoder.pixel_std))
    return (
        f"longer side resized to {encoder.image_size} pixels, RGB in 0..255 minus ({mean}) divided by ({std}), "
        f"padded to a square; one cell per {encoder.stride} pixels"
    )


def _needs_options(cls: type) -> bool:
    """Whether a class stands for a whole family, of which an option picks the member."""
    parameters = inspect.signature(cls).parameters.values()
    return any(parameter.default is parameter.empty and parameter.kind in _NAMED for parameter in parameters)


_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
