"""A SAM ViT small enough to be trained from scratch on a CPU."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.model.image_encoders.base import IMAGE_ENCODERS
from refsam_zoo.model.image_encoders.sam import SamImageEncoder
from refsam_zoo.number_types import ImageSize, Width
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

    def __init__(
        self, checkpoint: str | Path | None = None, image_size: ImageSize = 96, embedding_width: Width = 256
    ) -> None:
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
    """Patches of 8 pixels by residual convolutions (after arXiv 2106.14881), in the place of SAM's `PatchEmbed`.

    One matrix per patch learns colours quickly but from a few thousand frames hardly any shapes. There is no
    normalisation: over four frames or one it would take away the very colours that sentences name.

    Args:
        width: Channels of a token.
    """

    def __init__(self, width: int) -> None:
        quarter, half = width // 4, width // 2
        super().__init__(
            nn.Conv2d(3, quarter, 3, stride=2, padding=1),
            nn.ReLU(),
            ResidualConvolutions(quarter, half, stride=2),
            ResidualConvolutions(half, half),
            ResidualConvolutions(half, width, stride=2),
            ResidualConvolutions(width, width),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Cuts float `[B, 3, S, S]` into tokens, float `[B, S / 8, S / 8, width]`."""
        return super().forward(images).permute(0, 2, 3, 1)


class ResidualConvolutions(nn.Module):
    """Two convolutions beside a shortcut, as which alone they start."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride)
        nn.init.kaiming_normal_(self.first.weight, nonlinearity="relu")
        nn.init.zeros_(self.second.weight)
        if isinstance(self.shortcut, nn.Conv2d):
            nn.init.kaiming_normal_(self.shortcut.weight, nonlinearity="linear")

    def forward(self, maps: Tensor) -> Tensor:
        """Maps float `[B, inputs, H, W]` to float `[B, outputs, H / stride, W / stride]`."""
        return self.shortcut(maps) + self.second(F.relu(self.first(maps)))
