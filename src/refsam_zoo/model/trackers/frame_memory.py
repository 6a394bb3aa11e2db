"""A tracker past the paper that remembers frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.prompts.gated import gated_dense_attention
from refsam_zoo.model.trackers.base import TRACKERS
from refsam_zoo.model.trackers.track_mlp import track_mlp
from refsam_zoo.number_types import PositiveInt, Width
from refsam_zoo.registry import ModelCard
from refsam_zoo.types import ImageFeatures


@TRACKERS.register(ModelCard("refsam-zoo"))
class frame_memory(track_mlp):
    """Remembers the last frames themselves, so that what has moved can be seen, and how.

    The embedding of the new frame and of the oldest remembered one are compared by two convolutions; what they find
    attends to the words like the pixels of `gated_dense_attention`, and the result is added to the dense prompt. The
    decoder reads the paper's track token as before.

    Args:
        width: Channels of the embedding space; None means the image encoder's.
        length: Most frames remembered.
    """

    def __init__(self, width: Width | None = None, length: PositiveInt = 3) -> None:
        super().__init__(width)
        self.length = length

    def make_layers(self, width: int) -> None:
        """Makes the MLP and the comparison; see `FollowsEmbedding.make_layers`."""
        super().make_layers(width)
        self.compare = nn.Sequential(
            nn.Conv2d(2 * width, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, width, 3, padding=1)
        )
        self.attention = gated_dense_attention(width)

    def forward(self, mask_token: Tensor, track_token: Tensor | None, image: Tensor) -> Tensor:
        """Puts the new track token first and the frame last, and forgets the oldest; see `Tracker.forward`."""
        pixels = image.flatten(2).transpose(1, 2)
        frames = pixels if track_token is None else torch.cat([track_token[:, 1:], pixels], dim=1)
        return torch.cat([self.layers(mask_token), frames[:, -self.length * pixels.shape[1] :]], dim=1)

    def prompt(self, track_token: Tensor) -> Tensor:
        """Picks the track token; see `Tracker.prompt`."""
        return track_token[:, :1]

    def dense(self, image: Tensor, track_token: Tensor, language: Language) -> Tensor:
        """Compares with the oldest frame; see `Tracker.dense`."""
        height, width = image.shape[-2:]
        oldest = track_token[:, 1 : 1 + height * width].transpose(1, 2).unflatten(2, (height, width))
        # unit pixels are brought to variance one
        moved = self.compare(torch.cat([image, image - oldest], dim=1) * image.shape[1] ** 0.5)
        return self.attention(moved, self.attention.maps(ImageFeatures(moved, [])), language)
