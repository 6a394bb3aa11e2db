"""RefSAM (arXiv 2307.00997) as a system: any composition, by the checkpoint of its training."""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.checkpoints.restoring import load_model
from refsam_zoo.number_types import FiniteFloat, PositiveInt
from refsam_zoo.registry import ModelCard
from refsam_zoo.systems.base import SYSTEMS
from refsam_zoo.systems.predictor import Predictor


@SYSTEMS.register(
    ModelCard(
        "RefSAM",
        "a checkpoint of refsam-zoo fit, or its folder of refsam-zoo export",
        paper="2307.00997",
        limits="no weights were published: it has to be trained first",
    )
)
class refsam(Predictor):
    """RefSAM in any composition, as it was trained: each frame encoded once for all sentences.

    Args:
        checkpoint: A checkpoint of `refsam-zoo fit`, or a folder of `refsam-zoo export`.
        threshold: Logit above which a pixel belongs to the object.
        frames_at_once: Frames encoded together when a whole window is there.
        expressions_at_once: Sentences decoded together; bounds memory.

    Raises:
        InputError: No such file, or no checkpoint of a model that this release can build.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        threshold: FiniteFloat = 0.0,
        frames_at_once: PositiveInt = 4,
        expressions_at_once: PositiveInt = 8,
    ) -> None:
        super().__init__(load_model(checkpoint), threshold, frames_at_once, expressions_at_once)
