"""The contract of Implicit Tracking: what one frame hands to the next (RefSAM, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from refsam_zoo.model.cross_modal import Language
from refsam_zoo.model.embedding_width import FollowsEmbedding
from refsam_zoo.model.encoded_frames import EncodedFrames
from refsam_zoo.model.mask_decoders.base import Decoded, MaskDecoder
from refsam_zoo.recipes import Made
from refsam_zoo.registry import Registry

Track: TypeAlias = Any
"""What a tracker carries, in RefSAM M tokens, float `[N, M, 256]`; else a named tuple of tensors, each `[N, ...]`."""


class Choice(NamedTuple):
    """Which of S objects that are followed N sentences mean in a frame.

    Attributes:
        logits: Of each object being meant, float `[N, S]`.
        candidates: Which of the frame's candidates each object is, int64 `[N, S]`; -1 where it is not seen.
    """

    logits: Tensor
    candidates: Tensor


class Chosen(NamedTuple):
    """What a tracker finds that needs no prompts made of words.

    Attributes:
        low_res_logits: Masks of N sentences, float `[N, 4h, 4w]`.
        object_score: Logit of anything being meant, float `[N]`.
        track: What is carried on.
        choice: How it was chosen; a loss compares it.
    """

    low_res_logits: Tensor
    object_score: Tensor
    track: Track
    choice: Choice


def selected(track: Track, rows: slice) -> Track:
    """Picks what is carried for some expressions."""
    return track[rows] if isinstance(track, Tensor) else type(track)(*(part[rows] for part in track))


def joined(tracks: Sequence[Track]) -> Track:
    """Puts together again what was picked for some expressions each."""
    if isinstance(tracks[0], Tensor):
        return torch.cat(list(tracks))
    return type(tracks[0])(*(torch.cat(parts) for parts in zip(*tracks, strict=True)))


def replaced(track: Track, row: int, latest: Track) -> Track:
    """Puts what is carried for one expression in the place of what was."""
    return joined([selected(track, slice(row)), latest, selected(track, slice(row + 1, None))])


class Tracker(FollowsEmbedding, Made, nn.Module):
    """Carries the target from frame to frame, as M tokens, in the paper one.

    A tracker of tokens says in `forward` how they are made, and in `prompt` and `dense` how they are used. One that
    carries something else, or reads more of a frame, replaces `condition` and `remember`.

    Attributes:
        shows_target: Whether what is carried of a frame shows later ones the target, so that a correction holds by it.
        chooses: Whether it finds the target by `choose`, so that no prompts are made of words.
    """

    shows_target: bool = False
    chooses: bool = False

    def connect(self, grid: tuple[int, int]) -> None:
        """Learns height and width of the image embedding in cells; nothing depends on them by default."""

    def freeze_unused(self, mask_decoder: MaskDecoder) -> None:
        """Freezes what is not trained with this tracker, of itself and of the mask decoder; nothing by default."""

    def look(self, frames: EncodedFrames, decoder: MaskDecoder, prompt_encoder: Any) -> Any:
        """Sees in frames what does not depend on sentences, once for all of them; nothing by default.

        Args:
            frames: B frames.
            decoder: The mask decoder.
            prompt_encoder: SAM's prompt encoder.

        Returns:
            A named tuple of tensors with the B frames along the first axis, which becomes `EncodedFrames.seen`, or
            None.
        """
        return None

    def choose(self, frames: EncodedFrames, language: Language | None, track: Track | None) -> Chosen | None:
        """Finds the target in what `look` saw, in the place of prompts made of words; by default it does not.

        Args:
            frames: The new frame of each expression: N frames.
            language: N sentences; None where what somebody has shown is followed alone.
            track: What the previous frame gave; None at the first.
        """
        return None

    def condition(self, frames: EncodedFrames, track: Track | None) -> Tensor:
        """Makes the image embedding that the decoder reads; in RefSAM nothing carried changes it.

        Args:
            frames: The new frame of each expression: N frames.
            track: What the previous frame gave; None at the first.

        Returns:
            float `[N, 256, h, w]`.
        """
        return frames.embedding

    def remember(self, decoded: Decoded, track: Track | None, frames: EncodedFrames) -> Track | None:
        """Makes what is carried to the next frame, by default of the mask token alone.

        Args:
            decoded: What the decoder found in the frame for N expressions.
            track: What the previous frame gave; None at the first.
            frames: The frame of each expression: N frames.

        Returns:
            Tensors with the N expressions along the first axis, or None where nothing is carried.
        """
        return self(decoded.mask_token, track, frames.image)

    def mask_prompt(self, mask: Tensor) -> Tensor | None:
        """Makes a prompt for the decoder of a mask that somebody gives; None where its logits are one, as SAM has them.

        Args:
            mask: Zeros and ones, float `[1, 1, S, S]`, of the side of the network's input.

        Returns:
            float `[1, 4h, 4w]`, or None.
        """
        return None

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

    def prompt(self, track_token: Track) -> Tensor:
        """Picks the tokens that the decoder reads beside the words, in RefSAM all that is carried."""
        tokens: Tensor = track_token
        return tokens

    def dense(self, image: Tensor, track_token: Track, language: Language) -> Tensor | None:
        """Makes what is added to the dense prompt; RefSAM adds nothing.

        Args:
            image: Normalised image embedding of the new frame per expression, float `[N, 256, h, w]`.
            track_token: What the previous frame gave.
            language: N sentences.

        Returns:
            float `[N, 256, h, w]`, or None.
        """
        return None


TRACKERS: Registry[Tracker] = Registry("tracker", ["tracker"])
