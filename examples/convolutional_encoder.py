"""An image encoder of your own in one file, used by its import path; nothing has to be registered.

    PYTHONPATH=examples refsam-zoo fit --config configs/demo.yaml \
        --model.image_encoder convolutional_encoder.ConvolutionalEncoder

Moved to `src/refsam_zoo/model/image_encoders/`, with a lower-case name and above the class

    from refsam_zoo.model.image_encoders import IMAGE_ENCODERS
    from refsam_zoo.registry import ModelCard

    @IMAGE_ENCODERS.register(ModelCard("Convolutional", weights="none"))

it is an entry of the zoo: listed, and tested by the contract tests of all image encoders.
"""

from __future__ import annotations

import itertools

from torch import Tensor, nn

from refsam_zoo.model.image_encoders import ImageEncoder
from refsam_zoo.types import ImageFeatures


class ConvolutionalEncoder(ImageEncoder):
    """Four strided convolutions; the outputs of the first three are the intermediate maps.

    Args:
        image_size: Side of the square input in pixels, a multiple of 16.
        embedding_width: Channels of the final map, as the rest of the model has them.
    """

    stride = 16
    width = 64
    intermediate_widths = (16, 32, 64)

    def __init__(self, image_size: int = 96, embedding_width: int = 128) -> None:
        super().__init__()
        self.image_size = image_size
        self.embedding_width = embedding_width
        widths = (3, *self.intermediate_widths, embedding_width)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(4, after), nn.GELU())
            for before, after in itertools.pairwise(widths)
        )

    def forward(self, images: Tensor) -> ImageFeatures:
        """Encodes frames; see `ImageEncoder.forward`."""
        maps = [images]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        # intermediate maps are channels-last and may be of any size; what needs them resizes them
        return ImageFeatures(maps[-1], [part.permute(0, 2, 3, 1) for part in maps[1:-1]])
