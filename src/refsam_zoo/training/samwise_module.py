"""Training of SAMWISE (arXiv 2411.17646): adapters and the judge of the memory learn, SAM 2 and RoBERTa stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor
from torch.nn import functional as F

from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders.sam2 import Sam2ImageEncoder, sam2_hiera_base_plus
from refsam_zoo.model.preprocessing import rows_of, shrink_masks
from refsam_zoo.model.samwise import Samwise, SamwiseClips, SamwiseSize
from refsam_zoo.number_types import NonNegativeFloat, PositiveInt
from refsam_zoo.systems.samwise import TOKENIZER, SamwiseSegmenter, read_roberta_tokenizer
from refsam_zoo.training.losses import MaskLoss
from refsam_zoo.training.module import TRAINING_LOSS
from refsam_zoo.training.system_module import SystemModule
from refsam_zoo.types import ClipBatch
from refsam_zoo.weights.files import (
    StateDict,
    check_fit,
    load_into,
    load_state_dict,
    warn_random_weights,
    weights_follow,
)
from refsam_zoo.weights.hub_folders import read_weights
from refsam_zoo.weights.sam2 import read_sam2
from refsam_zoo.weights.samwise import ONLY_VIDEOS, PRESENCE, in_our_names, roberta_of

_SMALL = 50
"""Pixels up to which a mask counts as empty."""
_OTHER_TARGET = 0.1
"""Share of the smaller of two masks in the other below which they are of two targets."""
_SWITCH_WEIGHT = 2.0


class SamwiseTraining(SystemModule):
    """SAMWISE under Lightning: AdamW at one rate, dice and focal loss of whole clips, cross-entropy of the judge.

    Args:
        loss: Loss of the masks; of each sentence's clip as a whole, as the authors have it.
        sam2: A file of SAM 2.0 Hiera-B+, Meta's or the hub's; None means random weights.
        text_encoder: A folder of RoBERTa-base in the hub's layout: tokenizer and weights.
        weights: A file of SAMWISE to start from, loaded last; that of single pictures (`pretrained_model.pth`) lacks
            what only videos train.
        pictures: Train the model for single pictures, without attention over the window and without object score.
        learning_rate: The authors' is 1e-5 on videos and 1e-4 on pictures.
        weight_decay: AdamW's.
        window: Frames of a window in validation.

    Attributes:
        encoder: Makes the image encoder.
        size: Of all else.
        trained: Parts that learn.
    """

    encoder: ClassVar[Callable[[], Sam2ImageEncoder]] = sam2_hiera_base_plus
    size: ClassVar[SamwiseSize] = SamwiseSize()
    trained: ClassVar[tuple[str, ...]] = ("cmt_adapters", "project_text", "conditional_memory_encoder")
    model: Samwise
    system: SamwiseSegmenter

    def __init__(
        self,
        loss: MaskLoss,
        sam2: str | Path | None = None,
        text_encoder: str | Path | None = None,
        weights: str | Path | None = None,
        pictures: bool = False,
        learning_rate: NonNegativeFloat = 1e-5,
        weight_decay: NonNegativeFloat = 0.0,
        window: PositiveInt = 8,
    ) -> None:
        folder = TOKENIZER.locate(text_encoder, option="text_encoder")
        with weights_follow():
            model = Samwise(type(self).encoder(), self.size.on_pictures() if pictures else self.size)
        if sam2 is None:
            warn_random_weights("SAM 2 of SAMWISE")
        load_parts(model, sam2, folder)
        if weights is not None:
            load_beginning(model, in_our_names(load_state_dict(weights), Path(weights)), weights)
        for name, part in model.named_children():
            part.requires_grad_(name in self.trained)
        super().__init__(SamwiseSegmenter(model, read_roberta_tokenizer(folder), window))
        self.save_hyperparameters({"learning_rate": learning_rate, "weight_decay": weight_decay, "pictures": pictures})
        self.loss = loss
        self.learning_rate, self.weight_decay = learning_rate, weight_decay

    def training_step(self, batch: ClipBatch, batch_index: int) -> Tensor:
        """Segments clips and compares every frame."""
        if batch.masks is None:
            raise InputError(f"video '{batch.clips[0].referrals[0].video_id}' has no masks to train on")
        clips = self.model(batch, self.system.token_ids(batch.expressions))
        sizes = batch.expression_sizes()
        loss = self._judged(clips) if clips.decisions else torch.zeros((), device=self.device)
        for size in sorted(set(sizes)):
            rows = rows_of(size, sizes, self.device)
            logits = clips.logits[rows]
            compared = (max(1, size[0] // self.loss.stride), max(1, size[1] // self.loss.stride))
            restored = self.model.restore(logits.flatten(0, 1), compared).unflatten(0, logits.shape[:2])
            masks = shrink_masks(batch.masks[rows, :, : size[0], : size[1]], compared)
            share = sizes.count(size) / len(sizes)
            loss = loss + self.loss(restored.flatten(1, 2), masks.flatten(1, 2)) * share
        # DDP wants every parameter in the graph, the judge's too where a clip is too short for a decision
        loss = loss + 0.0 * sum(part.sum() for part in self.model.parameters() if part.requires_grad)
        self.log(TRAINING_LOSS, loss, prog_bar=True, batch_size=len(sizes), sync_dist=True)
        return loss

    def _judged(self, clips: SamwiseClips) -> Tensor:
        """Loss of the decisions: is what was found with memory another target than without?"""
        logits = torch.cat([decision for _, decision, _ in clips.decisions]).float()
        kinds = torch.cat([switch_labels(found.logits, other.logits, other.object_score)
                           for found, _, other in clips.decisions])  # fmt: skip
        known = kinds >= 0
        if not known.any():
            return logits.sum() * 0.0
        weight = torch.tensor([1.0, _SWITCH_WEIGHT], device=logits.device)
        return F.cross_entropy(logits[known], kinds[known], weight=weight)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Makes AdamW over what is trained."""
        trained = [part for part in self.model.parameters() if part.requires_grad]
        return torch.optim.AdamW(trained, lr=self.learning_rate, weight_decay=self.weight_decay)


def switch_labels(logits: Tensor, without_memory: Tensor, object_score: Tensor | None) -> Tensor:
    """Says of masks found with and without memory whether they are of two targets.

    Args:
        logits: With memory, float `[N, h, w]`.
        without_memory: Without, float `[N, h, w]`.
        object_score: Of the masks without memory, logits `[N]`; None where all are there.

    Returns:
        int64 `[N]`: 1 where the memory should be distrusted, 0 where not, -1 where nothing can be said, as both masks
        are empty or there is no target without memory.
    """
    mine, other = (logits > 0).flatten(1), (without_memory > 0).flatten(1)
    areas, others = mine.sum(1), other.sum(1)
    common = (mine & other).sum(1) / torch.minimum(areas, others).clamp(min=1)
    labels = (common < _OTHER_TARGET).long()
    # logits have a sixteenth of the square's pixels
    unknown = (areas <= _SMALL / 16) & (others <= _SMALL / 16)
    if object_score is not None:
        unknown = unknown | (object_score < 0)
    return labels.masked_fill(unknown, -1)


def load_parts(model: Samwise, sam2: str | Path | None, roberta: Path) -> None:
    """Loads what SAMWISE does not train: SAM 2.0 and RoBERTa.

    Args:
        model: Takes the weights.
        sam2: A file of SAM 2.0, Meta's or the hub's; None leaves random weights.
        roberta: A folder in the hub's layout.

    Raises:
        InputError: A file is missing, of something else, or does not fit.
    """
    load_into(model.text_encoder, roberta_of(read_weights(roberta)), f"{roberta} (RoBERTa)")
    if sam2 is None:
        return
    load_into(model.image_encoder.vision, read_sam2(sam2, "image_encoder"), f"{sam2} (image encoder)")
    load_into(model.prompt_encoder, read_sam2(sam2, "prompt_encoder"), f"{sam2} (prompt encoder)")
    for part, module in (("mask_decoder", model.mask_decoder), ("memory", model.memory)):
        state = read_sam2(sam2, part)  # type: ignore[arg-type]
        if not model.size.presence:
            state = {name: tensor for name, tensor in state.items() if not name.startswith(PRESENCE)}
        load_into(module, state, f"{sam2} ({part.replace('_', ' ')} of SAM 2.0)")


def load_beginning(model: Samwise, state: StateDict, path: str | Path) -> None:
    """Loads a SAMWISE to train on from; one of single pictures lacks what only videos train.

    Args:
        model: Takes the weights; what the file lacks stays.
        state: Under our names.
        path: Where from, for the message.

    Raises:
        InputError: It does not fit.
    """
    own = model.state_dict()
    if "mask_decoder.obj_score_token.weight" not in state:
        state = {name: tensor for name, tensor in own.items() if ONLY_VIDEOS.search(name)} | state
    check_fit(own, state, f"{path} does not fit SAMWISE")
    model.load_state_dict(state)
