"""The contract of a text encoder."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from refsam_zoo.registry import Registry
from refsam_zoo.types import TextFeatures, Tokens


class TextEncoder(nn.Module):
    """Turns sentences into one feature per token.

    Attributes:
        width: Channels of a token's feature.
    """

    width: int

    def tokenize(self, expressions: Sequence[str]) -> Tokens:
        """Tokenises sentences, padded to the longest. Runs on the CPU.

        Returns:
            `Tokens` with ids int64 `[N, L]` and mask bool `[N, L]`.

        Raises:
            InputError: A sentence is empty.
        """
        raise NotImplementedError

    def forward(self, tokens: Tokens) -> TextFeatures:
        """Encodes tokens; padding influences no real token.

        Returns:
            `TextFeatures` with words float `[N, L, width]`; what stands at padding is unspecified.
        """
        raise NotImplementedError


TEXT_ENCODERS: Registry[TextEncoder] = Registry("text encoder")
