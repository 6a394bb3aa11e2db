"""Fonts for sentences in any script: the one that matplotlib ships, then whatever this system has."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path

import matplotlib
from matplotlib import font_manager
from matplotlib.ft2font import FT2Font
from PIL import ImageDraw, ImageFont

_logger = logging.getLogger(__name__)

FIRST = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
UNREADABLE = "?"


class CaptionFont:
    """Draws and measures text at one size, each character with the first font that has it.

    Args:
        size: Height of the letters in pixels.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._fonts: dict[Path, ImageFont.FreeTypeFont] = {}

    def width(self, text: str) -> float:
        """Width in pixels of text that `drawable` gave."""
        return sum(font.getlength(run) for font, run in self._runs(text))

    def draw(self, canvas: ImageDraw.ImageDraw, left: float, middle: float, text: str, fill: tuple[int, ...]) -> None:
        """Draws text that `drawable` gave, centred between the top of its letters and their feet."""
        for font, run in self._runs(text):
            canvas.text((left, middle), run, fill=fill, font=font, anchor="lm")
            left += font.getlength(run)

    def _runs(self, text: str) -> Iterator[tuple[ImageFont.FreeTypeFont, str]]:
        for path, characters in groupby(text, key=lambda character: font_of(character) or FIRST):
            if path not in self._fonts:
                self._fonts[path] = ImageFont.truetype(str(path), self.size)
            yield self._fonts[path], "".join(characters)


def drawable(texts: Sequence[str]) -> list[str]:
    """Replaces what no font of this system can draw, symbols by their names and letters by `?`, with one warning."""
    texts = [" ".join(text.split()) for text in texts]
    characters = dict.fromkeys("".join(texts))
    missing = {character: _name(character) for character in characters if font_of(character) is None}
    seen = [character for character, name in missing.items() if name]
    if seen:
        _logger.warning(
            "no font on this system can draw %s: written as %s in the overlay; installing one, such as Noto, helps",
            " ".join(seen),
            " ".join(dict.fromkeys(missing[character] for character in seen)),
        )
    return ["".join(missing.get(character, character) for character in text) for text in texts]


@lru_cache(maxsize=4096)
def font_of(character: str) -> Path | None:
    """Finds a font that has a character; None where there is none."""
    # a font may well have a glyph for invisible marks, such as the one that asks for a coloured picture
    if unicodedata.category(character) in ("Cc", "Cf", "Cs") or unicodedata.name(character, "").startswith("VARIATION"):
        return None
    paths = (FIRST,) if ord(character) in _characters(FIRST) else _others()
    return next((path for path in paths if ord(character) in _characters(path)), None)


@cache
def _characters(path: Path) -> frozenset[int]:
    """Code points that a font can draw; none where it cannot be used at any size, as pictures in colour are."""
    try:
        ImageFont.truetype(str(path), 20)
        return frozenset(FT2Font(str(path)).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


@lru_cache(maxsize=1)
def _others() -> tuple[Path, ...]:
    """The system's fonts, plain ones of sans serif before the others."""
    # the last resort of macOS has a box for every character
    paths = sorted(Path(name) for name in font_manager.findSystemFonts() if "LastResort" not in name)
    return tuple(sorted(paths, key=lambda path: ("Sans" not in path.name, "Regular" not in path.name)))


def _name(character: str) -> str:
    """What stands for a character that cannot be drawn: nothing for marks without a shape of their own."""
    name, category = unicodedata.name(character, ""), unicodedata.category(character)
    if category in ("Cc", "Cf", "Cs", "Sk") or name.startswith("VARIATION"):
        return ""
    return f"[{name.lower()}]" if category.startswith("S") and name else UNREADABLE
