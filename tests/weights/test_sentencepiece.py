"""SentencePiece models against the numbers that the package gives (0.2.3), shifted as XLM-RoBERTa does."""

from __future__ import annotations

from pathlib import Path

import pytest

from refsam_zoo.errors import InputError
from refsam_zoo.weights.sentencepiece import read_tokenizer

DATA = Path(__file__).parents[1] / "data"
SENTENCES = ["the red square", "  a  small green circle, moving to the LEFT ", "the étoile 日", "stars and cars"]
# the package's own numbers, one more each, its unknown as 3, between 0 and 2
EXPECTED = {
    "unigram": [
        [0, 5, 4, 11, 4, 13, 24, 43, 12, 25, 4, 2],
        [0, 6, 8, 24, 14, 30, 22, 6, 16, 35, 4, 21, 36, 29, 40, 33, 3, 6, 14, 9, 46, 20, 16, 10, 9, 5, 4, 6, 3, 2],
        [0, 5, 4, 6, 3, 7, 9, 50, 33, 6, 3, 2],
        [0, 6, 34, 8, 52, 6, 8, 21, 13, 19, 52, 2],
    ],
    "bpe": [
        [0, 6, 11, 33, 16, 45, 12, 50, 2],
        [0, 15, 16, 65, 17, 58, 49, 37, 34, 57, 9, 21, 62, 7, 3, 49, 41, 71, 14, 59, 26, 6, 49, 3, 2],
        [0, 6, 49, 3, 51, 55, 56, 7, 49, 3, 2],
        [0, 16, 51, 12, 60, 15, 57, 64, 9, 12, 60, 2],
    ],
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_sentences_have_the_numbers_of_the_package(kind: str) -> None:
    tokenizer = read_tokenizer(DATA / f"sentencepiece_{kind}.model")
    assert [tokenizer(sentence)["input_ids"] for sentence in SENTENCES] == EXPECTED[kind]


def test_shorter_sentences_are_padded() -> None:
    padded = read_tokenizer(DATA / "sentencepiece_unigram.model")(SENTENCES[:2], padding="longest")
    assert padded["input_ids"][0][-2:] == [1, 1]
    assert padded["attention_mask"][0] == [1] * 12 + [0] * 18


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"model": 1}', b"version https://git-lfs", b"cut"])
def test_another_file_is_refused_in_a_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sentencepiece.bpe.model"
    path.write_bytes((DATA / "sentencepiece_bpe.model").read_bytes()[:400] if content == b"cut" else content)
    with pytest.raises(InputError, match=r"sentencepiece\.bpe\.model: not a SentencePiece model"):
        read_tokenizer(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sentencepiece\.bpe\.model: no such file"):
        read_tokenizer(tmp_path / "sentencepiece.bpe.model")
