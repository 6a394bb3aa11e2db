from __future__ import annotations

import logging

import pytest

from refsam_zoo.inference.caption_fonts import CaptionFont, drawable, font_of
from refsam_zoo.inference.legend import draw_legend, shorten, wrap


def test_long_sentences_are_wrapped() -> None:
    short = draw_legend(300, 16, ["a cat"])
    long = draw_legend(300, 16, ["a cat that sits on the mat and looks at the dog that looks at the cat"])
    assert short.shape[1] == long.shape[1] == 300
    assert len(long) >= len(short) + 2 * 16
    for legend in (short, long):
        background = legend[0, 0]
        assert (legend[:, -8:] == background).all(), "the words end before the edge"


def test_every_line_fits_whatever_the_script() -> None:
    font = CaptionFont(16)
    for text in ("a cat on a mat " * 20, "W" * 300, "\u4e16" * 100, "wide WWWWWWWWWWWWWWWWWWWWWWWWW and narrow iiii"):
        (shown,) = drawable([text])
        lines = wrap(shown, 200, font)
        assert all(font.width(line) <= 200 for line in lines)
        assert "".join(lines).replace(" ", "") == shown.replace(" ", ""), "nothing is lost"


def test_the_longest_sentences_are_cut_first() -> None:
    font = CaptionFont(16)
    long = ["line one", "line two", "line three", "line four"]
    assert shorten([["short"], long], 4, 300, font) == [["short"], [*long[:2], "line three\u2026"]]
    assert shorten([["a"], ["b"], ["c"], ["d"]], 3, 300, font) == [["a"], ["b"], ["\u2026 and 2 more"]]


def test_what_no_font_can_draw_is_written_readably_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    nobody = "\U0001f9ff\u72d7\U00012000".translate(
        {ord(character): None for character in "\U0001f9ff\u72d7\U00012000" if font_of(character)}
    )
    sentences = [f"the {nobody} runs", f"na\u00efve \u03b1\u0438 {nobody}\ufe0f\u200d"]
    with caplog.at_level(logging.WARNING):
        shown = drawable(sentences)
    assert all(font_of(character) for text in shown for character in text), "no empty boxes"
    assert shown[1].startswith("na\u00efve \u03b1\u0438"), "what can be drawn stays"
    if "\U0001f9ff" in nobody:
        assert "[nazar amulet]" in shown[0]
    if nobody:
        assert len(caplog.records) == 1
        assert all(character in caplog.records[0].getMessage() for character in nobody)


def test_letters_are_really_drawn() -> None:
    font = CaptionFont(20)
    blank = draw_legend(300, 20, [" "])
    for text in drawable(["cat", "\u043a\u043e\u0442", "\u72d7", "\U0001f436"]):
        assert (draw_legend(300, 20, [text]) != blank).any()
        assert font.width(text) > 0
