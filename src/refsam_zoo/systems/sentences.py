"""Sentences as the token ids of a pretrained tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from refsam_zoo.model.text_encoders.base import warn_truncated

if TYPE_CHECKING:
    from transformers import BatchEncoding


def tokenized(tokenizer: Any, expressions: Sequence[str], limit: int, fill: bool = False) -> BatchEncoding:
    """Tokenises sentences; what does not fit is cut off with a warning that says how long the sentence is.

    Args:
        tokenizer: Of the transformers package.
        expressions: N sentences.
        limit: Most tokens that the model reads, beginning and end included.
        fill: Pad to the limit, not to the longest sentence.

    Returns:
        `input_ids` and `attention_mask`, int64 `[N, L]` on the CPU.
    """
    for expression in expressions:
        length = len(tokenizer(expression, verbose=False)["input_ids"])
        if length > limit:
            warn_truncated(expression, length, limit)
    padding = "max_length" if fill else "longest"
    return tokenizer([*expressions], padding=padding, truncation=True, max_length=limit, return_tensors="pt")
