"""Segments an open video by sentences and writes what was found."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from refsam_zoo.inference.background import BackgroundTasks, read_ahead
from refsam_zoo.inference.interruption import say_what_is_kept
from refsam_zoo.inference.mask_folder import MaskFolder
from refsam_zoo.inference.overlay import Overlay
from refsam_zoo.inference.overlay_video import OverlayVideoWriter
from refsam_zoo.inference.segment_folder import LISTING, MASKS, OVERLAY, STILL
from refsam_zoo.output_files import output_path, write_whole
from refsam_zoo.systems.base import FrameMasks, VideoSegmenter
from refsam_zoo.video.base import VideoReader
from refsam_zoo.video.frame_folder import FrameFolderReader

FRAMES_AT_ONCE = 4
BATCHES_AHEAD = 2
"""Batches read while an earlier one is segmented."""


def segment_video(
    system: VideoSegmenter[Any], reader: VideoReader, expressions: Sequence[str], output: str | Path
) -> None:
    """Segments an open video and writes masks, overlay, still and the list of sentences; shows a progress bar.

    Frames are read ahead, and masks and pictures encoded and written behind, in threads of their own. The overlay shows
    the frames at the times of the video and with its sound.

    Args:
        system: Finds the masks.
        reader: The video.
        expressions: N sentences.
        output: Folder for the result.

    Raises:
        InputError: A frame is damaged, or the output cannot be written; what was found up to there is on disk.
    """
    output = Path(output)
    path, frame_names = Path(os.path.abspath(reader.path)), _frame_names(reader)  # a link keeps its own name
    is_file = path.is_file()
    name = path.stem if is_file else path.name
    sentences = {str(number): sentence for number, sentence in enumerate(expressions, 1)}
    overlay, still = Overlay(reader.size, expressions), Still()
    listing = json.dumps({"video": name, "expressions": sentences}, ensure_ascii=False, indent=2) + "\n"
    write_whole(output_path(output, LISTING), listing.encode(errors="backslashreplace"))  # what JSON reads, too
    with say_what_is_kept(output, len(reader)) as kept, ExitStack() as stack:
        stack.callback(lambda: still.write(output / STILL))
        masks = stack.enter_context(MaskFolder(output / MASKS))
        film = stack.enter_context(
            OverlayVideoWriter(
                output / OVERLAY,
                overlay.size,
                reader.fps,
                time_unit=reader.time_unit,
                pixel_aspect=reader.pixel_aspect,
                sound=(path, reader.begin) if is_file else None,
            )
        )
        pictures = stack.enter_context(BackgroundTasks(threads=1, most_pending=16))
        frames = stack.enter_context(closing(read_ahead(reader.stream(FRAMES_AT_ONCE), BATCHES_AHEAD)))
        stack.enter_context(logging_redirect_tqdm())  # warnings go above the progress bar
        found = system.stream(frames, expressions)

        def show(segmented: FrameMasks, position: int) -> None:
            picture = overlay.draw(segmented.frame, segmented.masks)
            film.write(picture, reader.time(position))
            still.consider(segmented, picture)

        bar = tqdm(frame_names, desc=name, unit="frame")
        for position, (frame_name, segmented) in enumerate(zip(bar, found, strict=True)):
            for number, mask in zip(sentences, segmented.masks, strict=True):
                masks.write(name, number, frame_name, mask)
            pictures.submit(show, segmented, position)
            kept.frames = position + 1


class Still:
    """Keeps the picture that shows most: the most expressions found, then the largest area."""

    def __init__(self) -> None:
        self._best: tuple[int, int] = (-1, -1)
        self._picture = np.zeros((1, 1, 3), np.uint8)

    def consider(self, segmented: FrameMasks, picture: np.ndarray) -> None:
        """Keeps the picture, RGB, uint8 `[H, W, 3]`, if its masks are better than those before."""
        areas = segmented.masks.sum((1, 2))
        merit = int((areas > 0).sum()), int(areas.sum())
        if merit > self._best:
            self._best, self._picture = merit, picture

    def write(self, path: Path) -> None:
        """Writes the picture kept, if there is one."""
        if self._best >= (0, 0):
            write_whole(path, self.encode())

    def encode(self) -> bytes:
        """Makes a PNG file of the picture kept."""
        content = io.BytesIO()
        Image.fromarray(self._picture).save(content, "PNG", compress_level=1)
        return content.getvalue()


def _frame_names(reader: VideoReader) -> list[str]:
    """Names of pictures as they are, numbers for a video file."""
    if isinstance(reader, FrameFolderReader):
        return reader.names
    return [f"{number:05d}" for number in range(len(reader))]
