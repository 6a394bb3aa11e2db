"""The lines below a picture that say which sentence has which colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image, ImageDraw

from refsam_zoo.inference.caption_fonts import CaptionFont, drawable

COLOURS = (
    (255, 82, 82),
    (64, 156, 255),
    (255, 200, 40),
    (46, 204, 113),
    (190, 110, 255),
    (255, 140, 50),
    (30, 210, 200),
    (255, 120, 200),
)
"""RGB of the expressions, in turn."""

BACKGROUND = (22, 24, 28)
TEXT = (235, 237, 240)
FEWEST_LINES = 3
CUT = "\N{HORIZONTAL ELLIPSIS}"


def colour(number: int) -> tuple[int, int, int]:
    """Gives the RGB colour, 0..255, of the expression with this number."""
    return COLOURS[number % len(COLOURS)]


def draw_legend(width: int, text_size: int, expressions: Sequence[str], height: int | None = None) -> np.ndarray:
    """Draws a line per sentence, or more where it is long: its colour and the words.

    Args:
        width: Width in pixels.
        text_size: Height of the letters in pixels.
        expressions: The sentences.
        height: Largest height in pixels, though three lines are always there; long sentences are cut to it, and where
            it is too low for all of them, the last line tells how many more there are. None for no limit.

    Returns:
        RGB, uint8 `[h, width, 3]`.
    """
    font = CaptionFont(text_size)
    margin, step = round(0.7 * text_size), round(1.5 * text_size)
    left = 2 * margin + text_size
    room = max(text_size, width - left - margin)
    lines = [wrap(sentence, room, font) for sentence in drawable(expressions)]
    most = sum(map(len, lines)) if height is None else max(FEWEST_LINES, (height - 2 * margin) // step)
    shown = shorten(lines, most, room, font)
    image = Image.new("RGB", (width, 2 * margin + step * sum(map(len, shown))), BACKGROUND)
    draw = ImageDraw.Draw(image)
    top = margin
    for number, wrapped in enumerate(shown):
        middle = top + step // 2
        box = (margin, middle - text_size // 2, margin + text_size, middle + text_size // 2)
        if number < len(lines) - 1 or len(shown) == len(lines):
            draw.rounded_rectangle(box, radius=text_size // 4, fill=colour(number))
        for line in wrapped:
            font.draw(draw, left, top + step // 2, line, TEXT)
            top += step
    return np.asarray(image)


def shorten(lines: Sequence[list[str]], most: int, room: float, font: CaptionFont) -> list[list[str]]:
    """Cuts the longest sentences until all of them have no more than some lines together.

    Args:
        lines: Of each sentence.
        most: Lines that there may be.
        room: Width of a line in pixels.
        font: What they are written in.
    """
    if len(lines) > most:
        rest = f"{CUT} and {len(lines) - most + 1} more"
        return [*shorten(lines[: most - 1], most - 1, room, font), [rest]]
    each = next(each for each in range(most, 0, -1) if sum(min(each, len(own)) for own in lines) <= most)
    return [own if len(own) <= each else [*own[: each - 1], _cut(own[each - 1], room, font)] for own in lines]


def wrap(text: str, room: float, font: CaptionFont) -> list[str]:
    """Breaks text into lines no wider than some pixels, at spaces where there are some; at least one line."""
    lines, line = [], ""
    for piece in _pieces(text, room, font):
        if line and font.width((line + piece).rstrip()) > room:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()]


def _pieces(text: str, room: float, font: CaptionFont) -> Iterator[str]:
    """Words with the spaces before them; words too long for a line, as in scripts without spaces, by characters."""
    for number, word in enumerate(text.split(" ")):
        space = " " if number else ""
        if font.width(word) <= room:
            yield space + word
        else:
            yield from (space + word)


def _cut(line: str, room: float, font: CaptionFont) -> str:
    while line and font.width(line + CUT) > room:
        line = line[:-1]
    return line + CUT
