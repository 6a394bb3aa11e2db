"""Segments an open video by sentences and writes what was found."""

from __future__ import annotations

import io
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from fractions import Fraction
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
from refsam_zoo.video.frame_stream import Frame, FrameStream

FRAMES_AT_ONCE = 4
BATCHES_AHEAD = 2
"""Batches read while an earlier one is segmented."""


def segment_video(
    system: VideoSegmenter[Any], video: FrameStream, expressions: Sequence[str], output: str | Path
) -> int:
    """Segments an open video and writes masks, overlay, still and the list of sentences; shows a progress bar.

    Frames are read ahead, and masks and pictures encoded and written behind, in threads of their own. The overlay shows
    the frames at the times of the video and with its sound.

    Args:
        system: Finds the masks.
        video: The video; its length need not be known.
        expressions: N sentences.
        output: Folder for the result.

    Returns:
        How many frames it had.

    Raises:
        InputError: A frame is damaged, or the output cannot be written; what was found up to there is on disk.
    """
    output = Path(output)
    sentences = {str(number): sentence for number, sentence in enumerate(expressions, 1)}
    overlay, still = Overlay(video.size, expressions), Still()
    listing = json.dumps({"video": video.name, "expressions": sentences}, ensure_ascii=False, indent=2) + "\n"
    write_whole(output_path(output, LISTING), listing.encode(errors="backslashreplace"))  # what JSON reads, too
    with say_what_is_kept(output, video.length) as kept, ExitStack() as stack:
        stack.callback(lambda: still.write(output / STILL))
        masks = stack.enter_context(MaskFolder(output / MASKS))
        film = stack.enter_context(
            OverlayVideoWriter(
                output / OVERLAY,
                overlay.size,
                video.fps,
                time_unit=video.time_unit,
                pixel_aspect=video.pixel_aspect,
                sound=(video.path, video.begin) if video.path and video.path.is_file() else None,
            )
        )
        pictures = stack.enter_context(BackgroundTasks(threads=1, most_pending=16))
        batches = stack.enter_context(closing(read_ahead(video.batches(FRAMES_AT_ONCE), BATCHES_AHEAD)))
        stack.enter_context(logging_redirect_tqdm())  # warnings go above the progress bar
        frames = deque[Frame]()  # under way through the system
        found = system.stream(_pictures(batches, frames), expressions)

        def show(segmented: FrameMasks, time: Fraction) -> None:
            picture = overlay.draw(segmented.frame, segmented.masks)
            film.write(picture, time)
            still.consider(segmented, picture)

        for segmented in tqdm(found, desc=video.name, unit="frame", total=video.length):
            frame = frames.popleft()
            for number, mask in zip(sentences, segmented.masks, strict=True):
                masks.write(video.name, number, frame.name, mask)
            pictures.submit(show, segmented, frame.time)
            kept.frames += 1
    return kept.frames


def _pictures(batches: Iterable[list[Frame]], under_way: deque[Frame]) -> Iterator[np.ndarray]:
    """Gives batches of pictures and keeps the frames that they are of."""
    for batch in batches:
        under_way.extend(batch)
        yield np.stack([frame.picture for frame in batch])


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
