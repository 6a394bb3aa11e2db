"""A visitor's clip: its file, what is asked about it, and the masks found so far, all in one folder that goes away."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import simplejpeg

from refsam_zoo.errors import InputError
from refsam_zoo.output_files import write_whole
from refsam_zoo.serving.limits import Limits
from refsam_zoo.serving.runs import Run
from refsam_zoo.serving.uploads import require_video
from refsam_zoo.systems.base import FrameMasks
from refsam_zoo.video.base import exact_rate
from refsam_zoo.video.frame_choice import FrameChoice
from refsam_zoo.video.frame_stream import FrameStream
from refsam_zoo.video.readers import open_video
from refsam_zoo.video.run_lengths import RunLengths

JPEG_QUALITY = 90


class GoneError(InputError):
    """The clip is not here any more, or never was."""


class Clip:
    """A clip on disk. Its folder is deleted when it is closed and nobody works in it.

    Args:
        folder: A folder of its own, with the file `video` in it.
        name: What its results are called.
        limits: Its frames are shrunk to these.

    Attributes:
        folder: Where files of the clip may be made; `hold` it meanwhile.
        id: What its visitor calls it by; nobody can guess it.
        suggestions: Sentences that fit it, where they are known.
        run: The last one asked for.
        used: When it was last asked for, on the clock `time.monotonic`.
        changed: Set when there is news.

    Raises:
        InputError: It is no video, or a longer one than is taken; the message names no path.
    """

    def __init__(self, folder: Path, name: str, limits: Limits, suggestions: Sequence[str] = ()) -> None:
        self.id = secrets.token_urlsafe(24)
        self.name = name
        self.suggestions = list(suggestions)
        self.run: Run | None = None
        self.changed = asyncio.Event()
        self.used = time.monotonic()
        self.folder = folder
        self._limits = limits
        self._lock, self._holders, self._closed = threading.Lock(), 0, False
        self._watcher: asyncio.AbstractEventLoop | None = None
        self._look()

    def _look(self) -> None:
        require_video(self.folder / "video")
        with self.open() as video:
            self.size, self.fps, length = video.size, exact_rate(video.fps), video.length
            first = next(video.frames())
        assert length is not None  # it is a file
        self.length, limits = length, self._limits
        if length > limits.frames:
            raise InputError(f"{self.name} has {length} frames; at most {limits.frames} are taken: send a shorter part")
        if length / self.fps > limits.seconds:
            seconds = float(length / self.fps)
            raise InputError(f"{self.name} takes {seconds:.1f} s; at most {limits.seconds:g} s: send a shorter part")
        self._write_picture(0, first.picture)

    @contextmanager
    def open(self) -> Iterator[FrameStream]:
        """Opens the video, from its beginning.

        Raises:
            InputError: A frame is damaged; the message names no path.
        """
        path = self.folder / "video"
        try:
            with open_video(path) as reader:
                yield FrameChoice(max_side=self._limits.max_side).of(reader)
        except InputError as error:
            raise InputError(str(error).replace(str(path), self.name)) from error

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Counts as watched meanwhile: `changed` is set in the event loop that is running.

        Raises:
            InputError: Another page follows the clip.
        """
        if self._watcher is not None:
            raise InputError("another page shows this clip")
        self._watcher = asyncio.get_running_loop()
        try:
            yield
        finally:
            self._watcher = None

    @property
    def watched(self) -> bool:
        """Whether a page follows it."""
        return self._watcher is not None

    def notify(self) -> None:
        """Tells the page that there is news; may be called from any thread."""
        if (loop := self._watcher) is not None:
            loop.call_soon_threadsafe(self.changed.set)

    def write(self, position: int, found: FrameMasks, time: float) -> None:
        """Keeps what was found in a frame, and its picture where that is not there yet."""
        if not self.picture(position).exists():
            self._write_picture(position, found.frame)
        masks = [RunLengths.of(mask).counts for mask in found.masks]
        scores = [round(float(score), 4) for score in found.scores]
        entry = {"frame": position, "time": time, "scores": scores, "masks": masks}
        write_whole(self._entry(position), json.dumps(entry).encode())

    def _write_picture(self, position: int, picture: np.ndarray) -> None:
        content = simplejpeg.encode_jpeg(np.ascontiguousarray(picture), quality=JPEG_QUALITY, colorspace="RGB")
        write_whole(self.picture(position), content)

    def read(self, position: int) -> str:
        """Gives what `write` kept of a frame, as JSON: its number, time and scores, and masks as COCO's run lengths."""
        return self._entry(position).read_text()

    def found(self, position: int, picture: np.ndarray) -> FrameMasks:
        """Gives what was found in a frame, whose picture is given, uint8 `[H, W, 3]`."""
        entry = json.loads(self.read(position))
        masks = [RunLengths(self.size, counts).decode() for counts in entry["masks"]]
        return FrameMasks(picture, np.stack(masks), np.array(entry["scores"], np.float32))

    def picture(self, position: int) -> Path:
        """Gives the JPEG file of a frame, which is there once the frame has masks, and of the first one always."""
        return self.folder / "pictures" / f"{position}.jpg"

    def _entry(self, position: int) -> Path:
        return self.folder / "found" / f"{position}.json"

    @property
    def closed(self) -> bool:
        """Whether it is gone, or as good as gone."""
        return self._closed

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keeps the folder while something works in it.

        Raises:
            GoneError: The clip is closed.
        """
        with self._lock:
            if self._closed:
                raise GoneError("this clip was deleted; bring it again")
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                last = self._closed and not self._holders
            if last:
                self._delete()

    def close(self) -> None:
        """Stops what is computed and deletes everything, now or as soon as the work in it has stopped."""
        if self.run is not None:
            self.run.stop.set()
        with self._lock:
            last = not self._closed and not self._holders
            self._closed = True
        if last:
            self._delete()
        self.notify()

    def _delete(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
