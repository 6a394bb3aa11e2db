"""SAM 2's image encoders (arXiv 2408.00714): Hiera and its feature pyramid, with the layers of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from refsam_zoo.errors import InputError
from refsam_zoo.model.image_encoders.base import IMAGE_ENCODERS, ImageEncoder
from refsam_zoo.model.image_encoders.timm import to_grid
from refsam_zoo.number_types import ImageSize
from refsam_zoo.registry import ModelCard
from refsam_zoo.types import ImageFeatures
from refsam_zoo.weights.files import load_into, warn_random_weights
from refsam_zoo.weights.sam2 import read_sam2


class Sam2ImageEncoder(ImageEncoder):
    """Hiera with SAM 2's feature pyramid, equal in SAM 2.0 and 2.1.

    The embedding has stride 16, the two finer maps 4 and 8; decoder and memory of SAM 2 read them as they are. The
    intermediate maps are the outputs of Hiera's first three stages, brought to stride 16.

    Args:
        checkpoint: A file of SAM 2, Meta's `sam2_hiera_*.pt`, `sam2.1_hiera_*.pt`, or the hub's `model.safetensors` or
            folder; None means random weights.
        image_size: Side of the square input in pixels, a multiple of 32.

    Attributes:
        channels: Of the first stage; each later stage has twice as many.
        heads: Of the first stage; each later stage has twice as many.
        blocks: Of each stage.
        global_blocks: Those whose attention sees the whole image.
        background: Side of the positional embedding, which is resized, in cells.
        windows: Side of the attention's windows in each stage, in cells.
    """

    stride = 16
    unit_length = False
    channels: ClassVar[int]
    heads: ClassVar[int]
    blocks: ClassVar[tuple[int, int, int, int]]
    global_blocks: ClassVar[tuple[int, ...]]
    background: ClassVar[int] = 7
    windows: ClassVar[tuple[int, int, int, int]] = (8, 4, 14, 7)

    def __init__(self, checkpoint: str | Path | None = None, image_size: ImageSize = 1024) -> None:
        super().__init__()
        if image_size % 32:
            raise InputError(f"image_size {image_size} is no multiple of 32")
        from transformers import Sam2VisionModel

        self.image_size = image_size
        widths = [self.channels * 2**stage for stage in range(4)]
        self.width, self.intermediate_widths = widths[-1], tuple(widths[:-1])
        self.fine_widths = (self.embedding_width,) * 2
        self.vision: Any = Sam2VisionModel(self._config(widths))
        if checkpoint is None:
            warn_random_weights(f"image encoder {type(self).__name__}")
        else:
            with IMAGE_ENCODERS.suggesting("checkpoint", checkpoint):
                load_into(self.vision, read_sam2(checkpoint, "image_encoder"), f"{checkpoint} (image encoder)")

    def _config(self, widths: list[int]) -> Any:
        from transformers import Sam2HieraDetConfig, Sam2VisionConfig

        backbone = Sam2HieraDetConfig(
            hidden_size=self.channels,
            num_attention_heads=self.heads,
            image_size=[self.image_size] * 2,
            blocks_per_stage=list(self.blocks),
            embed_dim_per_stage=widths,
            num_attention_heads_per_stage=[self.heads * 2**stage for stage in range(4)],
            window_size_per_stage=list(self.windows),
            global_attention_blocks=list(self.global_blocks),
            window_positional_embedding_background_size=[self.background] * 2,
        )
        return Sam2VisionConfig(
            backbone_config=backbone,
            backbone_channel_list=widths[::-1],
            backbone_feature_sizes=[[self.image_size // stride] * 2 for stride in (4, 8, 16)],
            fpn_hidden_size=self.embedding_width,
        )

    def forward(self, images: Tensor) -> ImageFeatures:
        """Encodes frames; see `ImageEncoder.forward`."""
        stages = self.vision.backbone(images).intermediate_hidden_states
        pyramid, _ = self.vision.neck(stages)  # the coarsest first, which SAM 2 does not read
        cells = self.image_size // self.stride
        intermediate = [to_grid(stage.permute(0, 3, 1, 2), cells).permute(0, 2, 3, 1) for stage in stages[:-1]]
        return ImageFeatures(pyramid[1], intermediate, (pyramid[3], pyramid[2]))


def _card(size: str, file: str) -> ModelCard:
    weights = f"Meta: sam2.1_hiera_{file}.pt, sam2_hiera_{file}.pt"
    return ModelCard(f"SAM 2 Hiera-{size}", weights, "Apache-2.0", "2408.00714")


@IMAGE_ENCODERS.register(_card("T", "tiny"))
class sam2_hiera_tiny(Sam2ImageEncoder):
    """SAM 2's Hiera-T: 12 blocks. Options as in `Sam2ImageEncoder`."""

    channels, heads, blocks, global_blocks = 96, 1, (1, 2, 7, 2), (5, 7, 9)


@IMAGE_ENCODERS.register(_card("S", "small"))
class sam2_hiera_small(Sam2ImageEncoder):
    """SAM 2's Hiera-S: 16 blocks. Options as in `Sam2ImageEncoder`."""

    channels, heads, blocks, global_blocks = 96, 1, (1, 2, 11, 2), (7, 10, 13)


@IMAGE_ENCODERS.register(_card("B+", "base_plus"))
class sam2_hiera_base_plus(Sam2ImageEncoder):
    """SAM 2's Hiera-B+: 24 blocks. Options as in `Sam2ImageEncoder`."""

    channels, heads, blocks, global_blocks, background = 112, 2, (2, 3, 16, 3), (12, 16, 20), 14


@IMAGE_ENCODERS.register(_card("L", "large"))
class sam2_hiera_large(Sam2ImageEncoder):
    """SAM 2's Hiera-L: 48 blocks. Options as in `Sam2ImageEncoder`."""

    channels, heads, blocks, global_blocks = 144, 2, (2, 6, 36, 4), (23, 33, 43)
    windows = (8, 4, 16, 8)
