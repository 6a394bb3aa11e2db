"""The swappable parts of a model: what a user types for each, and the registry that knows its names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from refsam_zoo.model.image_encoders import IMAGE_ENCODERS
from refsam_zoo.model.mask_decoders import MASK_DECODERS
from refsam_zoo.model.prompts import DENSE_PROMPTS, SPARSE_PROMPTS
from refsam_zoo.model.text_encoders import TEXT_ENCODERS
from refsam_zoo.model.trackers import TRACKERS
from refsam_zoo.model.tuners import TUNERS
from refsam_zoo.registry import Registry

REGISTRIES: Mapping[str, Registry[Any]] = {
    "image_encoder": IMAGE_ENCODERS,
    "text_encoder": TEXT_ENCODERS,
    "tuner": TUNERS,
    "text_tuner": TUNERS,
    "sparse_prompt": SPARSE_PROMPTS,
    "dense_prompt": DENSE_PROMPTS,
    "mask_decoder": MASK_DECODERS,
    "tracker": TRACKERS,
}
"""Option name -> its registry, in the order of the zoo's table."""
