"""The facts about an entry of the zoo."""

from __future__ import annotations

from dataclasses import dataclass

from refsam_zoo.registry import ModelCard


@dataclass(frozen=True)
class ModelInfo:
    """Facts about an entry of the zoo.

    Attributes:
        role: "image encoder", "text encoder", ...
        name: Short name.
        card: Family, weights, licence and paper.
        summary: First line of the class's documentation.
        parameters: Parameters of an encoder, or of a system's published weights; None where they depend on its options
            or on what it is applied to.
        image_size: Side of an image encoder's input in pixels, else None.
        width: Channels of an encoder's features, else None.
        preprocessing: What is done to frames or sentences before they are encoded; empty for other roles.
    """

    role: str
    name: str
    card: ModelCard
    summary: str
    parameters: int | None = None
    image_size: int | None = None
    width: int | None = None
    preprocessing: str = ""
