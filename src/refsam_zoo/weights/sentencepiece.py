"""Vocabularies of SentencePiece as tokenizers, read from its files without the package, which few have installed.

A file is a record of Protocol Buffers, of which three fields are read: the pieces, the kind of model, and the table by
which characters are normalised.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from refsam_zoo.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.models import Model
    from transformers import PreTrainedTokenizerFast

_SPECIAL = ["<s>", "<pad>", "</s>", "<unk>"]
"""XLM-RoBERTa's first tokens; the pieces after the file's own first three follow."""

_OWN_SPECIAL = 3
_PIECES, _TRAINING, _NORMALISING = 1, 2, 3
_KIND, _BPE = 3, 2
_TABLE = 2


def read_tokenizer(path: Path) -> PreTrainedTokenizerFast:
    """Reads a SentencePiece model, unigram or BPE, as a tokenizer that numbers tokens as XLM-RoBERTa's does.

    Args:
        path: A file such as `sentencepiece.bpe.model`, made with its usual special tokens `<unk>`, `<s>`, `</s>`.

    Raises:
        InputError: No such file, or something else.
    """
    from transformers import PreTrainedTokenizerFast

    try:
        tokenizer = _tokenizer(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; the model reads sentences by it") from error
    except (OSError, ValueError, LookupError, struct.error, TypeError) as error:
        raise InputError(f"{path}: not a SentencePiece model; download it again") from error
    start, pad, end, unknown = _SPECIAL
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=start, pad_token=pad, eos_token=end, unk_token=unknown
    )


def _tokenizer(content: bytes) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors

    pieces = [_piece(record) for record in _records(content, _PIECES)]
    if [piece for piece, _ in pieces[:_OWN_SPECIAL]] != ["<unk>", "<s>", "</s>"]:
        raise ValueError("other special tokens")
    vocabulary = [(name, 0.0) for name in _SPECIAL] + pieces[_OWN_SPECIAL:]
    is_bpe = any((_KIND, _BPE) in _fields(record) for record in _records(content, _TRAINING))
    tables = [table for record in _records(content, _NORMALISING) for table in _records(record, _TABLE) if table]
    tokenizer = Tokenizer(_bpe(vocabulary) if is_bpe else _unigram(vocabulary))
    steps = [*map(normalizers.Precompiled, tables), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def _unigram(vocabulary: list[tuple[str, float]]) -> Model:
    from tokenizers.models import Unigram

    return Unigram(vocabulary, unk_id=_SPECIAL.index("<unk>"), byte_fallback=False)


def _bpe(vocabulary: list[tuple[str, float]]) -> Model:
    from tokenizers.models import BPE

    numbers = {piece: number for number, (piece, _) in enumerate(vocabulary)}
    merges = [
        (piece[:cut], piece[cut:])
        for piece in numbers  # in the order of their making, which is that of their scores
        for cut in range(1, len(piece))
        if piece not in _SPECIAL and piece[:cut] in numbers and piece[cut:] in numbers
    ]
    return BPE(numbers, merges, unk_token="<unk>", fuse_unk=True)


def _piece(record: bytes) -> tuple[str, float]:
    (name,), scores = _records(record, 1), _records(record, 2)
    return name.decode(), struct.unpack("<f", scores[0])[0] if scores else 0.0


def _records(record: bytes, wanted: int) -> list[bytes]:
    """Gives the values of the fields of a number that are bytes."""
    return [value for number, value in _fields(record) if number == wanted and isinstance(value, bytes)]


def _fields(record: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Gives the numbers and values of a record's fields: bytes, or a whole number."""
    place = 0
    while place < len(record):
        key, place = _whole_number(record, place)
        kind = key & 7
        if kind == 0:
            value, place = _whole_number(record, place)
            yield key >> 3, value
            continue
        if kind == 2:
            length, place = _whole_number(record, place)
        else:
            length = {1: 8, 5: 4}[kind]
        if place + length > len(record):
            raise ValueError("cut off")
        yield key >> 3, record[place : place + length]
        place += length


def _whole_number(record: bytes, place: int) -> tuple[int, int]:
    """Reads seven bits to a byte, the lowest first, as long as a byte's eighth is set."""
    value = shift = 0
    while True:
        byte = record[place]
        value, shift, place = value | (byte & 127) << shift, shift + 7, place + 1
        if byte < 128:
            return value, place
