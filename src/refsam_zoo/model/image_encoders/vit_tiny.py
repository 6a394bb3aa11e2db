"""A SAM ViT small enough to be trained from scratch on a CPU."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from refsam_zoo.model.image_encoders.base import IMAGE_ENCODERS
from refsam_zoo.model.image_encoders.sam import SamImageEncoder
from refsam_zoo.registry import ModelCard


@IMAGE_ENCODERS.register(ModelCard("SAM ViT, small", "none: trained by the demo"))
class vit_tiny(SamImageEncoder):
    """A SAM ViT for work on a CPU: 4 blocks of width 128 behind residual convolutions, 96 x 96 input.

    Args:
        checkpoint: A file with `image_encoder.*` keys; None means random weights.
        image_size: Side of the square input in pixels, a multiple of 8.
        embedding_width: Channels of the final map.
    """

    width, depth, heads, global_blocks = 128, 4, 4, (1, 3)
    stride = 8
    window = 6

    def __init__(self, checkpoint: Path | None = None, image_size: int = 96, embedding_width: int = 256) -> None:
        self.embedding_width = embedding_width
        super().__init__(checkpoint, image_size)

    def prepare(self) -> None:
        """Replaces the patches and gives the positions values.

        The package leaves positions at zero for a checkpoint to fill; from scratch they must break the symmetry.
        """
        self.vit.patch_embed = ConvolutionalPatches(self.width)
        nn.init.trunc_normal_(self.vit.pos_embed, std=0.02)
        for block in self.vit.blocks:
            nn.init.normal_(block.attn.rel_pos_h, std=0.02)
            nn.init.normal_(block.attn.rel_pos_w, std=0.02)


class ConvolutionalPatches(nn.Sequential):
    """Patches of 8 pixels by residual convolutions (arXiv 2106.14881), in the place of SAM's `PatchEmbed`.

    One matrix per patch learns colours quickly and shapes hardly at all from a few thousand frames.

    Args:
        width: Channels of a token.
    """

    def __init__(self, width: int) -> None:
        quarter, half = width // 4, width // 2
        super().__init__(
            nn.Conv2d(3, quarter, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(quarter),
            nn.ReLU(),
            _residual(quarter, half, stride=2),
            _residual(half, half, stride=1),
            _residual(half, width, stride=2),
            _residual(width, width, stride=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Cuts float `[B, 3, S, S]` into tokens, float `[B, S / 8, S / 8, width]`."""
        return super().forward(images).permute(0, 2, 3, 1)


def _residual(inputs: int, outputs: int, stride: int) -> BasicBlock:
    shortcut = None if inputs == outputs and stride == 1 else nn.Conv2d(inputs, outputs, 1, stride, bias=False)
    block = BasicBlock(inputs, outputs, stride, shortcut)
    nn.init.zeros_(block.bn2.weight)  # every block starts as its shortcut
    return block
