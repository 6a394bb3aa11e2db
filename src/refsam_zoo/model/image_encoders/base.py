"""The contract of an image encoder."""

from __future__ import annotations

from torch import Tensor, nn

from refsam_zoo.recipes import Made
from refsam_zoo.registry import Registry
from refsam_zoo.types import ImageFeatures

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class ImageEncoder(Made, nn.Module):
    """Turns preprocessed frames into a 256-channel map and the maps on the way there.

    Attributes:
        image_size: Side S of the square input, in pixels.
        stride: Pixels per grid cell: h = w = S / stride.
        width: Channels of the intermediate maps' last entry (the transformer's width).
        embedding_width: Channels of the final map; 256 unless a small model says otherwise.
        intermediate_widths: Channels of each intermediate map, in order.
        fine_widths: Channels of each map finer than the final one that only a mask decoder reads, the finest first.
        unit_length: Whether decoder and tracker read the final map brought to unit length per pixel, as RefSAM's do.
        pixel_mean: Mean of R, G, B in 0..255, subtracted before encoding.
        pixel_std: Standard deviation of R, G, B in 0..255.
        fresh_parts: Names of submodules that no pretrained checkpoint fills, so that every tuner trains them.
    """

    image_size: int
    stride: int
    width: int
    embedding_width: int = 256
    intermediate_widths: tuple[int, ...]
    fine_widths: tuple[int, ...] = ()
    unit_length: bool = True
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    fresh_parts: tuple[str, ...] = ()

    def forward(self, images: Tensor) -> ImageFeatures:
        """Encodes frames.

        Args:
            images: float `[B, 3, S, S]`, normalised with `pixel_mean` and `pixel_std`, padding zero.

        Returns:
            `ImageFeatures` with final `[B, 256, h, w]`.
        """
        raise NotImplementedError

    def train(self, mode: bool = True) -> ImageEncoder:
        """Switches to training mode, unless nothing in here is trained: a frozen encoder's dropout is only noise.

        The batch statistics of frozen layers stay as they are too.
        """
        super().train(mode and any(parameter.requires_grad for parameter in self.parameters()))
        for module in self.modules():
            if isinstance(module, _BATCH_NORMS) and not module.weight.requires_grad:
                module.eval()
        return self


IMAGE_ENCODERS: Registry[ImageEncoder] = Registry("image encoder", ["image_encoder"])
