"""CLIP's text towers (arXiv 2103.00020): OpenAI's and LAION's weights, in open_clip's format."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from refsam_zoo.errors import InputError, nearest_name
from refsam_zoo.model.text_encoders.base import TEXT_ENCODERS, TextEncoder
from refsam_zoo.model.text_encoders.clip_tower import ClipTower, QuickGELU
from refsam_zoo.number_types import Depth
from refsam_zoo.partial_imports import without_init
from refsam_zoo.registry import ModelCard
from refsam_zoo.types import TextFeatures, Tokens
from refsam_zoo.weights.files import StateDict, load_into, load_state_dict, select_prefix, warn_random_weights

if TYPE_CHECKING:
    from open_clip.tokenizer import SimpleTokenizer

VOCABULARY = 49408


@lru_cache(maxsize=1)
def _tokenizer() -> SimpleTokenizer:
    with without_init("open_clip"):
        from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()


class ClipTextEncoder(TextEncoder):
    """CLIP's text transformer without pooling and projection: the last layer's normalised token features.

    Args:
        checkpoint: A CLIP model in open_clip's format (`open_clip_pytorch_model.bin`, `.safetensors`, or LAION's
            `.pt`); only its text tower is read. None means random weights.
        layers: Keep only the first so many transformer layers; None keeps all.
        quick_gelu: CLIP's fast GELU, as in OpenAI's models. Models trained by open_clip mostly use the exact one.
    """

    max_tokens = 77
    pad_id = 0
    depth: int = 12
    heads: int

    def __init__(
        self, checkpoint: str | Path | None = None, layers: Depth | None = None, quick_gelu: bool = True
    ) -> None:
        super().__init__()
        self.tower = self.build_tower(self.depth if layers is None else layers, quick_gelu)
        if checkpoint is None:
            warn_random_weights(f"text encoder {type(self).__name__}")
        else:
            state = _text_tower(load_state_dict(checkpoint), len(self.tower.blocks))
            with TEXT_ENCODERS.suggesting("checkpoint", checkpoint):
                load_into(self.tower, state, f"{checkpoint} (text tower)")

    def build_tower(self, layers: int, quick_gelu: bool) -> ClipTower:
        """Makes the transformer with random weights."""
        activation = QuickGELU if quick_gelu else nn.GELU
        return ClipTower(VOCABULARY, self.max_tokens, self.width, self.heads, layers, activation)

    def token_ids(self, expression: str) -> list[int]:
        """Gives CLIP's byte-pair ids between its start and end tokens; case is ignored."""
        tokenizer = _tokenizer()
        return [tokenizer.sot_token_id, *tokenizer.encode(expression), tokenizer.eot_token_id]

    def forward(self, tokens: Tokens) -> TextFeatures:
        """Encodes tokens; see `TextEncoder.forward`."""
        bias = self.attention_bias(tokens.mask, self.tower.positional_embedding.dtype)
        return TextFeatures(self.tower(tokens.ids, bias), tokens.mask)

    def attention_bias(self, mask: Tensor, dtype: torch.dtype) -> Tensor | None:
        """Makes CLIP's causal mask, `[L, L]`; with padding on the right it also keeps real tokens off padding."""
        length = mask.shape[1]
        return torch.full((length, length), float("-inf"), dtype=dtype, device=mask.device).triu(1)


def _text_tower(state: StateDict, layers: int) -> StateDict:
    """Picks the text tower from a whole CLIP model's state dict, in open_clip's plain or `text.` naming."""
    state = select_prefix(state, "text.")
    dropped = ("visual.", "logit_scale", "logit_bias", "text_projection", "attn_mask")
    return {
        name: tensor for name, tensor in state.items() if not name.startswith(dropped) and _block_index(name) < layers
    }


def _block_index(name: str) -> int:
    parts = name.split(".")
    return int(parts[2]) if name.startswith("transformer.resblocks.") else -1


def _card(size: str) -> ModelCard:
    return ModelCard(f"CLIP {size}, text tower", "OpenAI or LAION, in open_clip's format", "MIT", "2103.00020")


@TEXT_ENCODERS.register(_card("by its name in open_clip"))
class clip(ClipTextEncoder):
    """The text tower of any model of open_clip that has CLIP's vocabulary.

    Args:
        architecture: The model's name in open_clip: "ViT-H-14", "ViT-bigG-14", "RN50x4", ...
        checkpoint: See `ClipTextEncoder`.
        layers: See `ClipTextEncoder`.
        quick_gelu: See `ClipTextEncoder`.
    """

    def __init__(
        self,
        architecture: str = "ViT-B-32",
        checkpoint: str | Path | None = None,
        layers: Depth | None = None,
        quick_gelu: bool = True,
    ) -> None:
        sizes = _text_sizes(architecture)
        self.width, self.heads, self.depth = sizes["width"], sizes["heads"], sizes["layers"]
        super().__init__(checkpoint, layers, quick_gelu)


def _text_sizes(architecture: str) -> dict[str, int]:
    import open_clip

    config = open_clip.get_model_config(architecture)
    if config is None:
        raise InputError(
            f"unknown open_clip model '{architecture}'{nearest_name(architecture, open_clip.list_models())}"
        )
    sizes = {"context_length": 77, "vocab_size": VOCABULARY, **config["text_cfg"]}
    if sizes["context_length"] != 77 or sizes.keys() - {"context_length", "vocab_size", "width", "heads", "layers"}:
        raise InputError(f"the text tower of open_clip's '{architecture}' is not built like CLIP's")
    return sizes


@TEXT_ENCODERS.register(_card("ViT-B/32"))
class clip_vit_b_32(ClipTextEncoder):
    """CLIP ViT-B/32's text tower: 12 layers of width 512. Options as in `ClipTextEncoder`."""

    width, heads = 512, 8


@TEXT_ENCODERS.register(_card("ViT-B/16"))
class clip_vit_b_16(ClipTextEncoder):
    """CLIP ViT-B/16's text tower: 12 layers of width 512. Options as in `ClipTextEncoder`."""

    width, heads = 512, 8


@TEXT_ENCODERS.register(_card("ViT-L/14"))
class clip_vit_l_14(ClipTextEncoder):
    """CLIP ViT-L/14's text tower: 12 layers of width 768. Options as in `ClipTextEncoder`."""

    width, heads = 768, 12


@TEXT_ENCODERS.register(_card("ViT-L/14 at 336 pixels"))
class clip_vit_l_14_336(ClipTextEncoder):
    """CLIP ViT-L/14@336px's text tower: 12 layers of width 768. Options as in `ClipTextEncoder`."""

    width, heads = 768, 12
