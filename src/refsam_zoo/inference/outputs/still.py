"""A strip of key frames."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from refsam_zoo.inference.caption_fonts import CaptionFont
from refsam_zoo.inference.key_frames import KeyFrame, KeyFrames
from refsam_zoo.inference.legend import BACKGROUND, TEXT, draw_legend
from refsam_zoo.inference.outputs.base import OUTPUTS, Output, SegmentedFrame, VideoFacts
from refsam_zoo.inference.overlay import MaskPainter, shrink_masked
from refsam_zoo.output_files import write_whole
from refsam_zoo.registry import ModelCard

SHORTER_SIDE, LONGER_SIDE = 360, 1920
"""Pixels of a key frame; larger ones are shrunk."""

WIDE = 3
"""Width over height above which key frames stand below each other."""

NARROWEST = 640
"""Least width of the strip, so that sentences have room."""

GAP = 8


@OUTPUTS.register(ModelCard("a PNG: a strip of key frames"))
class still(Output):
    """Writes `still.png`: up to four frames that show much, spread over the video, and the sentences; see `Output`."""

    file = "still.png"

    def __init__(self, folder: Path, facts: VideoFacts, kept: int | None = None) -> None:
        super().__init__(folder, facts)
        self._saved = self.hidden / "still.npz"
        self._key_frames = KeyFrames() if kept is None else KeyFrames.load(self._saved)
        self.frames = self._key_frames.frames
        height, width = facts.size
        shrunk = min(1.0, SHORTER_SIDE / min(facts.size), LONGER_SIDE / max(facts.size))
        self._size = max(1, round(height * shrunk)), max(1, round(width * shrunk))
        self._painter = MaskPainter(self._size)

    def write(self, frame: SegmentedFrame) -> None:
        """See `Output.write`."""
        areas = np.count_nonzero(frame.found.masks, axis=(1, 2))
        merit = int((areas > 0).sum()), int(areas.sum())
        if self._key_frames.wants(merit):
            picture, masks = shrink_masked(frame.found.frame, frame.found.masks, self._size)
            self._key_frames.take(KeyFrame(merit, float(frame.time), self._painter.paint(picture, masks)))
        else:
            self._key_frames.skip()

    def keep(self) -> None:
        """See `Output.keep`."""
        self._key_frames.save(self._saved)

    def close(self, whole: bool) -> None:
        """See `Output.close`."""
        if self.frames:
            content = io.BytesIO()
            Image.fromarray(draw_strip(self._key_frames.best(), self.facts.expressions)).save(
                content, "PNG", compress_level=1
            )
            write_whole(self.path, content.getvalue())
        if not whole:
            self.keep()


def draw_strip(key_frames: list[KeyFrame], expressions: tuple[str, ...]) -> np.ndarray:
    """Draws key frames of one size with their times, and the sentences below.

    Returns:
        RGB, uint8 `[H, W, 3]`.
    """
    height, width = key_frames[0].picture.shape[:2]
    below_each_other = width > WIDE * height
    columns = 1 if below_each_other else len(key_frames)
    total = max(NARROWEST, columns * width + (columns - 1) * GAP)
    text_size = max(16, total // 64)
    step = height + 2 * text_size
    rows = len(key_frames) // columns
    legend = draw_legend(total, text_size, expressions, max(height, total // 2))
    strip = np.full((rows * step + len(legend), total, 3), BACKGROUND, np.uint8)
    for number, frame in enumerate(key_frames):
        top, left = number // columns * step, number % columns * (width + GAP)
        strip[top : top + height, left : left + width] = frame.picture
        strip[top + height : top + step, left : left + width] = _caption(frame.time, width, text_size)
    strip[rows * step :] = legend
    return strip


def _caption(time: float, width: int, text_size: int) -> np.ndarray:
    """Draws a time below a key frame, `[2 * text_size, width, 3]`."""
    image = Image.new("RGB", (width, 2 * text_size), BACKGROUND)
    CaptionFont(text_size).draw(ImageDraw.Draw(image), text_size // 2, text_size, f"{time:.2f} s", TEXT)
    return np.asarray(image)
