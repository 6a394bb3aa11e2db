"""Implicit Tracking: the decoder's mask token of one frame becomes a prompt token of the next (RefSAM, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refsam_zoo.errors import InputError
from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.embedding_width import FollowsEmbedding
from refsam_zoo.model.fusion import gated_dense_attention
from refsam_zoo.number_types import PositiveInt, Width
from refsam_zoo.recipes import Made
from refsam_zoo.registry import ModelCard, Registry
from refsam_zoo.types import ImageFeatures

HEADS = 8
"""Attention heads of `query_interaction`."""


class Tracker(FollowsEmbedding, Made, nn.Module):
    """Carries the target from frame to frame as M tokens, in the paper one."""

    def forward(self, mask_token: Tensor, track_token: Tensor | None, image: Tensor) -> Tensor | None:
        """Makes what is carried to the next frame.

        Args:
            mask_token: The decoder's output for the mask token, float `[N, 1, 256]`.
            track_token: What the previous frame gave, float `[N, M, 256]`; None at the first frame.
            image: Normalised image embedding of the frame per expression, float `[N, 256, h, w]`.

        Returns:
            float `[N, M, 256]`, or None where nothing is carried.
        """
        raise NotImplementedError

    def prompt(self, track_token: Tensor) -> Tensor:
        """Picks the tokens that the decoder reads beside the words, in RefSAM all that is carried."""
        return track_token

    def dense(self, image: Tensor, track_token: Tensor, language: Language) -> Tensor | None:
        """Makes what is added to the dense prompt; RefSAM adds nothing.

        Args:
            image: Normalised image embedding of the new frame per expression, float `[N, 256, h, w]`.
            track_token: What the previous frame gave, float `[N, M, 256]`.
            language: N sentences.

        Returns:
            float `[N, 256, h, w]`, or None.
        """
        return None


TRACKERS: Registry[Tracker] = Registry("tracker")


@TRACKERS.register(ModelCard("RefSAM", paper="2307.00997"))
class track_mlp(Tracker):
    """The paper's Implicit Tracking Module: a three-layer MLP on the mask token.

    Args:
        width: Channels of the embedding space; None means the image encoder's.
    """

    def __init__(self, width: Width | None = None) -> None:
        super().__init__()
        self.take_width(width)

    def make_layers(self, width: int) -> None:
        """Makes the MLP; see `FollowsEmbedding.make_layers`."""
        layers = [nn.Linear(width, width) for _ in range(3)]
        self.layers = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])

    def forward(self, mask_token: Tensor, track_token: Tensor | None, image: Tensor) -> Tensor:
        """Projects the mask token; see `Tracker.forward`."""
        return self.layers(mask_token)


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


@TRACKERS.register(ModelCard("RefSAM, ablation"))
class no_tracker(Tracker):
    """Every frame on its own."""

    def forward(self, mask_token: Tensor, track_token: Tensor | None, image: Tensor) -> None:
        """Carries nothing; see `Tracker.forward`."""
