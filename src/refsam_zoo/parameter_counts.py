"""How many parameters RefSAM's compositions have and how many of them are learned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from refsam_zoo.model.refsam import RefSAM
from refsam_zoo.zoo import create_model

_INJECTED = (".adapter.", ".lora_")


@dataclass(frozen=True)
class Composition:
    """A composition to count.

    Attributes:
        title: What a reader knows it by.
        encoder: Short name of the image encoder.
        parts: Options of `create_model`.
        published: Learnable parameters in millions, as printed by the paper; empty if they were not.
    """

    title: str
    encoder: str
    parts: dict[str, Any] = field(default_factory=dict)
    published: str = ""


_FIRST = {"tuner": "frozen", "dense_prompt": "dense_attention", "tracker": "no_tracker"}
_RELEASED = {"tuner": "adapter_lora", "dense_prompt": "dense_attention", "tracker": "query_interaction"}
COMPOSITIONS = (
    Composition("RefSAM ViT-B", "vit_b", published="9.9"),
    Composition("RefSAM ViT-L", "vit_l", published="19.1"),
    Composition("RefSAM ViT-H", "vit_h", published="33.0"),
    Composition("version 1, ViT-B", "vit_b", _FIRST, "4.8"),
    Composition("version 1, ViT-L", "vit_l", _FIRST, "4.8"),
    Composition("version 1, ViT-H", "vit_h", _FIRST, "4.8"),
    Composition("released code with LoRA, ViT-B", "vit_b", _RELEASED),
    Composition("LoRA instead of adapters, ViT-B", "vit_b", {"tuner": "lora"}),
)
"""The paper's set-up first: adapters, Hierarchical Dense Attention, tracking MLP and a text encoder of width 1024."""


@dataclass(frozen=True)
class Counts:
    """Parameters of a composition.

    Attributes:
        sam: All of SAM: image encoder, prompt encoder and mask decoder, without what a tuner injects.
        tuned: Trained in the image encoder.
        cross_modal: Cross-Modal MLP.
        prompts: Sparse and dense prompt.
        mask_decoder: The whole mask decoder, as the paper counts it.
        tracker: Tracker.
        idle: Part of the mask decoder that a single mask never reaches and that is frozen here.
    """

    sam: int
    tuned: int
    cross_modal: int
    prompts: int
    mask_decoder: int
    tracker: int
    idle: int

    @property
    def learnable(self) -> int:
        """What the paper calls learnable."""
        return self.tuned + self.cross_modal + self.prompts + self.mask_decoder + self.tracker


def count(composition: Composition) -> Counts:
    """Counts a composition without making its weights."""
    with torch.device("meta"):
        model = create_model(f"refsam_{composition.encoder}", text_encoder="roberta_large", **composition.parts)
    return Counts(
        sam=_pretrained(model),
        tuned=_trained(model.image_encoder),
        cross_modal=_trained(model.cross_modal),
        prompts=_trained(model.sparse_prompt) + _trained(model.dense_prompt),
        mask_decoder=sum(parameter.numel() for parameter in model.mask_decoder.parameters()),
        tracker=_trained(model.tracker),
        idle=sum(p.numel() for p in model.mask_decoder.parameters() if not p.requires_grad),
    )


def _pretrained(model: RefSAM) -> int:
    parts = (model.image_encoder, model.prompt_encoder, model.mask_decoder)
    named = [pair for part in parts for pair in part.named_parameters()]
    return sum(p.numel() for name, p in named if not any(injected in name for injected in _INJECTED))


def _trained(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
