"""Class paths before 0.1.0, which stand in checkpoints and configurations of runs made then."""

from __future__ import annotations

from typing import Any

_MODULES = {
    "evaluation.callback": "callbacks.scores",
    "evaluation.submission_writer": "callbacks.submission",
    "inference.mask_writer": "callbacks.masks",
    "inference.predictor": "systems.predictor",
    "inference.released": "systems.released",
    "model.decoder_variants": "model.mask_decoders.variants",
    "model.fusion": "model.prompts.gated",
    "training.protocol_callback": "callbacks.protocol",
    "video.augmentation": "clips.augmentation",
    "video.clip_sampling": "clips.clip_sampling",
}
"""Modules below `refsam_zoo` that moved whole: former name -> present one."""

_CLASSES: dict[str, dict[str, tuple[str, ...]]] = {
    "model.cross_modal": {
        "model.prompts.sparse": ("no_words", "scaled_word_tokens", "word_attention", "word_tokens"),
        "model.prompts.dense": ("dense_attention", "hierarchical_dense_attention", "no_dense", "sentence_sum"),
    },
    "model.image_encoders.timm": {
        "model.image_encoders.sam2": tuple(f"sam2_hiera_{size}" for size in ("tiny", "small", "base_plus", "large")),
    },
    "model.mask_decoder": {
        "model.mask_decoders.base": ("MaskDecoder",),
        "model.mask_decoders.sam": ("sam_decoder",),
    },
    "model.tracking": {
        f"model.trackers.{name}": (name,) for name in ("frame_memory", "no_tracker", "query_interaction", "track_mlp")
    },
}
"""Modules that were divided: former name -> present name -> its classes."""

_PRESENT = {
    f"refsam_zoo.{module}.{name}": f"refsam_zoo.{present}.{name}"
    for module, parts in _CLASSES.items()
    for present, names in parts.items()
    for name in names
}


def present_name(class_path: str) -> str:
    """Gives the class path of today; one that was never another comes back as it is."""
    module, _, name = class_path.rpartition(".")
    moved = _MODULES.get(module.removeprefix("refsam_zoo."))
    if moved is not None and module.startswith("refsam_zoo."):
        return f"refsam_zoo.{moved}.{name}"
    return _PRESENT.get(class_path, class_path)


def with_present_names(options: Any) -> Any:
    """Copies nested options with every former class path replaced, at whatever depth."""
    if isinstance(options, dict):
        return {key: with_present_names(value) for key, value in options.items()}
    if isinstance(options, list):
        return [with_present_names(value) for value in options]
    return present_name(options) if isinstance(options, str) else options
