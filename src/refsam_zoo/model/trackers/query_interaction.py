"""The released code's tracker."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.errors import InputError
from refsam_zoo.model.trackers.base import TRACKERS, Tracker
from refsam_zoo.number_types import Width
from refsam_zoo.registry import ModelCard

HEADS = 8
"""Attention heads."""


@TRACKERS.register(ModelCard("RefSAM, released code"))
class query_interaction(Tracker):
    """The released code's tracker, the query interaction module of MOTR (arXiv 2105.03247) on a sequence of one.

    Args:
        width: Channels of the embedding space; None means the image encoder's.
    """

    def __init__(self, width: Width | None = None) -> None:
        super().__init__()
        self.take_width(width)

    def make_layers(self, width: int) -> None:
        """Makes attention and MLPs; see `FollowsEmbedding.make_layers`."""
        if width % HEADS:
            raise InputError(f"tracker query_interaction needs an embedding width divisible by {HEADS}, not {width}")
        self.self_attn = nn.MultiheadAttention(width, HEADS, batch_first=True)
        self.linear1, self.linear_feat1 = (nn.Linear(width, 4 * width) for _ in range(2))
        self.linear2, self.linear_feat2 = (nn.Linear(4 * width, width) for _ in range(2))
        self.norm1, self.norm2, self.norm_feat = (nn.LayerNorm(width) for _ in range(3))

    def forward(self, mask_token: Tensor, track_token: Tensor | None, image: Tensor) -> Tensor:
        """Updates the mask token plus the previous track token; see `Tracker.forward`."""
        token = mask_token if track_token is None else mask_token + track_token
        attended = self.norm1(token + self.self_attn(token, token, token, need_weights=False)[0])
        attended = self.norm2(attended + self.linear2(F.relu(self.linear1(attended))))
        # the residual is the input token, as released, not the attended one
        return self.norm_feat(token + self.linear_feat2(F.relu(self.linear_feat1(attended))))
