"""The contract of a text encoder."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from refsam_zoo.errors import InputError
from refsam_zoo.recipes import Made
from refsam_zoo.registry import Registry
from refsam_zoo.types import TextFeatures, Tokens

_logger = logging.getLogger(__name__)


class TextEncoder(Made, nn.Module):
    """Turns sentences into one feature per token.

    A subclass sets the attributes and implements `token_ids` and `forward`. A registered one also takes where its
    weights are, `checkpoint: Path | None` for a weights file alone, which a run's own checkpoint replaces, or
    `folder: Path | None` for weights with a vocabulary, which stays needed. None means random weights, said once by a
    warning; nothing is ever downloaded. It takes `layers: int | None` too, to keep only the first so many transformer
    layers; `layers=1` alone builds it small.

    Attributes:
        width: Channels of a token's feature.
        max_tokens: Tokens of the longest sentence, special tokens included; longer ones are cut.
        pad_id: Id that fills shorter sentences.
    """

    width: int
    max_tokens: int
    pad_id: int

    def token_ids(self, expression: str) -> list[int]:
        """Gives the ids of one sentence of any length, special tokens included, the last one ending it."""
        raise NotImplementedError

    def forward(self, tokens: Tokens) -> TextFeatures:
        """Encodes tokens; padding influences no real token.

        Returns:
            `TextFeatures` with words float `[N, L, width]`; what stands at padding is unspecified.
        """
        raise NotImplementedError

    def save_vocabulary(self, folder: str | Path) -> None:
        """Writes what the encoder reads from its `folder` beside the weights; nothing where it needs no folder."""

    def tokenize(self, expressions: Sequence[str]) -> Tokens:
        """Tokenises sentences, padded on the right to the longest. Runs on the CPU.

        Returns:
            `Tokens` with ids int64 `[N, L]` and mask bool `[N, L]`, L at most `max_tokens`.

        Raises:
            InputError: A sentence is empty or no text: it holds what could not be decoded.
        """
        sentences = [self._checked_ids(expression) for expression in expressions]
        lengths = torch.tensor([len(ids) for ids in sentences], device="cpu")
        ids = nn.utils.rnn.pad_sequence(
            [torch.tensor(ids, device="cpu") for ids in sentences], batch_first=True, padding_value=self.pad_id
        )
        return Tokens(ids, torch.arange(ids.shape[1], device="cpu") < lengths[:, None])

    def train(self, mode: bool = True) -> TextEncoder:
        """Switches to training mode, unless nothing in here is trained: a frozen encoder's dropout is only noise."""
        return super().train(mode and any(parameter.requires_grad for parameter in self.parameters()))

    def _checked_ids(self, expression: str) -> list[int]:
        if not expression.strip():
            raise InputError("an expression is empty; it must say what to segment")
        if any("\ud800" <= character <= "\udfff" for character in expression):
            raise InputError(f"an expression is not UTF-8 text: '{expression}'")
        ids = self.token_ids(expression)
        if len(ids) <= self.max_tokens:
            return ids
        warn_truncated(expression, len(ids), self.max_tokens)
        return [*ids[: self.max_tokens - 1], ids[-1]]


@functools.cache
def warn_truncated(expression: str, tokens: int, limit: int) -> None:
    """Says once that a sentence is longer than what an encoder reads of it."""
    _logger.warning("an expression of %d tokens is cut to %d: '%.60s...'", tokens, limit, expression)


def known_unpadded(mask: Tensor) -> bool:
    """Whether no token of bool `[N, L]` is padding, which saves work.

    False where that is not known: a GPU is not waited for to find out, and a graph being traced is for other masks too.
    """
    return mask.device.type == "cpu" and not torch.compiler.is_compiling() and bool(mask.all())


def key_padding_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Makes the bias that keeps attention off padding: float `[N, 1, L]` from bool `[N, L]`, zero or minus infinity."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, float("-inf"))[:, None]


TEXT_ENCODERS: Registry[TextEncoder] = Registry("text encoder", ["text_encoder"])
