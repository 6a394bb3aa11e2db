"""SAMWISE's memory (arXiv 2411.17646): SAM 2's of the last frames alone, and what decides when to distrust it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.model.trackers.sam2_memory import MASK_BIAS, MASK_SCALE, MEMORIES, POINTERS, Memory, sam2_memory

HEADS, HIDDEN = 8, 128
_CERTAIN = 10.0
"""Factor of a mask that the memory should believe."""


class RecentMemory(sam2_memory):
    """SAM 2.0's memory without a prompted frame: maps of the last six frames and pointers of the last fifteen.

    Maps are not rounded, and the first frame's mask is remembered like any other.

    Args:
        width: Channels of the embedding space.
        presence: Whether the decoder tells if the target is in the frame, so that there is a pointer for none.
    """

    def __init__(self, width: int, presence: bool) -> None:
        super().__init__(version="2.0", width=width)
        if not presence:
            del self.no_object_pointer

    def ages(self, kept: int) -> Tensor:
        """The one t frames ago has the encoding t - 1; see `sam2_memory.ages`."""
        return self.memory_temporal_positional_encoding[:kept].flip(0)

    def pointer(self, mask_token: Tensor, object_score: Tensor | None) -> Tensor:
        """Makes object pointers `[N, C]` of the mask's tokens `[N, C]` and object scores, logits `[N]`."""
        pointer: Tensor = self.object_pointer_proj(mask_token)
        if object_score is None:
            return pointer
        return torch.where((object_score > 0)[:, None], pointer, self.no_object_pointer)

    def keep(self, embedding: Tensor, logits: Tensor, pointer: Tensor, memory: Memory | None) -> Memory:
        """Remembers a frame and forgets the oldest.

        Args:
            embedding: Of the frame before it saw any memory, float `[N, C, h, w]`.
            logits: Of its masks, float `[N, 16h, 16w]`.
            pointer: float `[N, C]`.
            memory: Of the frames before.
        """
        masks = logits[:, None].sigmoid().to(embedding.dtype) * MASK_SCALE + MASK_BIAS
        encoded, _ = self.memory_encoder(embedding, masks)
        encoded, pointer = encoded.flatten(2).transpose(1, 2)[:, None], pointer[:, None]
        if memory is None:
            return Memory(encoded, pointer, torch.ones(len(pointer), dtype=torch.long, device=pointer.device))
        maps = torch.cat([memory.maps, encoded], dim=1)[:, 1 - MEMORIES :]
        pointers = torch.cat([memory.pointers, pointer], dim=1)[:, 1 - POINTERS :]
        return Memory(maps, pointers, memory.frames + 1)


class ConditionalMemoryEncoder(nn.Module):
    """Compares what was found with memory and what would be without: is the memory on something else?

    Args:
        width: C, channels of the embedding space.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.transformer_block = nn.TransformerEncoderLayer(width, HEADS, HIDDEN, dropout=0.1, batch_first=True)
        self.decision_token = nn.Embedding(1, width)
        self.decision_class_head = nn.Linear(width, 2)

    def forward(self, pointer: Tensor, early: Tensor) -> Tensor:
        """Decides.

        Args:
            pointer: What was found with memory, float `[N, C]`.
            early: What would be found without, the mask's tokens after the decoder's first layer, float `[N, C]`.

        Returns:
            Logits float `[N, 2]`: to keep the memory as it is, and to switch.
        """
        token = self.decision_token.weight.expand(len(pointer), 1, -1)
        seen = self.transformer_block(torch.cat([token, pointer[:, None], early[:, None]], dim=1))
        decided: Tensor = self.decision_class_head(seen[:, 0])
        return decided


def believed(logits: Tensor, without_memory: Tensor, switched: Tensor) -> Tensor:
    """Gives the masks that are remembered, `[N, H, W]`: where a sentence switched, what it saw without memory counts.

    Args:
        logits: With memory, float `[N, H, W]`.
        without_memory: Without, float `[N, H, W]`.
        switched: Which of the sentences switched, bool `[N]`.
    """
    replaced = switched[:, None, None] & (without_memory > 0)
    return torch.where(replaced, without_memory * _CERTAIN, logits)


def enlarged(low_res_logits: Tensor, side: int) -> Tensor:
    """Enlarges logits float `[N, 4h, 4w]` to the model's square input, float32 `[N, side, side]`."""
    large = F.interpolate(low_res_logits[:, None].float(), (side, side), mode="bilinear", align_corners=False)
    return large[:, 0]
