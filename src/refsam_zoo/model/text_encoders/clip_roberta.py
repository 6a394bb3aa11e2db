"""CLIP models of open_clip whose text tower is a RoBERTa or XLM-RoBERTa."""

from __future__ import annotations

from pathlib import Path

from refsam_zoo.errors import InputError
from refsam_zoo.model.text_encoders.base import TEXT_ENCODERS
from refsam_zoo.model.text_encoders.hugging_face import HuggingFaceTextEncoder, roberta_sizes
from refsam_zoo.number_types import Depth
from refsam_zoo.registry import ModelCard
from refsam_zoo.weights.files import load_into, load_state_dict, select_prefix

_TOWER = "text.transformer."


class ClipRobertaTextEncoder(HuggingFaceTextEncoder):
    """The transformer inside an open_clip text tower of the transformers package, without pooling and projection.

    Args:
        folder: The plain (XLM-)RoBERTa's folder, for its vocabulary; see `HuggingFaceTextEncoder`.
        checkpoint: The CLIP model in open_clip's format, whose weights replace the folder's. None keeps those.
        layers: Keep only the first so many transformer layers; None keeps all.
    """

    def __init__(
        self, folder: str | Path | None = None, checkpoint: str | Path | None = None, layers: Depth | None = None
    ) -> None:
        if checkpoint is not None and folder is None:
            raise InputError(f"{checkpoint}: holds no vocabulary; give the plain model's folder too (folder)")
        super().__init__(folder, layers)
        if checkpoint is not None:
            tower = select_prefix(load_state_dict(checkpoint), _TOWER)
            count = self.model.config.num_hidden_layers
            tower = {name: tensor for name, tensor in tower.items() if _kept(name, count)}
            load_into(self.model, tower, f"{checkpoint} ({_TOWER.rstrip('.')})")


def _kept(name: str, layers: int) -> bool:
    """Whether a name is one of the model's: no layer cut off, no pooler, nor the positions that old files count out."""
    parts = name.split(".")
    if name.startswith(("pooler.", "embeddings.position_ids")):
        return False
    return parts[:2] != ["encoder", "layer"] or int(parts[2]) < layers


def _card(tower: str, model: str) -> ModelCard:
    return ModelCard(f"CLIP, {tower} text tower", f"LAION, open_clip's {model}", "MIT", "2212.07143")


@TEXT_ENCODERS.register(_card("RoBERTa-base", "roberta-ViT-B-32"))
class clip_roberta_base(ClipRobertaTextEncoder):
    """The RoBERTa-base tower of open_clip's roberta-ViT-B-32. Options as in `ClipRobertaTextEncoder`."""

    architecture, sizes = "roberta", roberta_sizes(768, 12, 12)


@TEXT_ENCODERS.register(_card("XLM-RoBERTa-base", "xlm-roberta-base-ViT-B-32"))
class clip_xlm_roberta_base(ClipRobertaTextEncoder):
    """The tower of open_clip's xlm-roberta-base-ViT-B-32. Options as in `ClipRobertaTextEncoder`."""

    architecture, sizes = "xlm-roberta", roberta_sizes(768, 12, 12) | {"vocab_size": 250002}


@TEXT_ENCODERS.register(_card("XLM-RoBERTa-large", "xlm-roberta-large-ViT-H-14"))
class clip_xlm_roberta_large(ClipRobertaTextEncoder):
    """The tower of open_clip's xlm-roberta-large-ViT-H-14. Options as in `ClipRobertaTextEncoder`."""

    architecture, sizes = "xlm-roberta", roberta_sizes(1024, 24, 16) | {"vocab_size": 250002}
