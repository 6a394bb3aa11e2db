"""The contract of Implicit Tracking: what one frame hands to the next (RefSAM, section 3)."""

from __future__ import annotations

from torch import Tensor, nn

from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.embedding_width import FollowsEmbedding
from refsam_zoo.recipes import Made
from refsam_zoo.registry import Registry


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


TRACKERS: Registry[Tracker] = Registry("tracker", ["tracker"])
