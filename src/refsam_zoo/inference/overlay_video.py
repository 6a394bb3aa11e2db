"""Writes pictures as an mp4 file."""

from __future__ import annotations

import contextlib
import math
import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from typing_extensions import Self

from refsam_zoo.errors import InputError


class OverlayVideoWriter:
    """Writes an mp4 file, whole or not at all; use it as a context manager.

    H.264 through libx264 where PyAV has it, else MPEG-4 part 2.

    Args:
        path: The file.
        size: Even height and width of the pictures.
        fps: Pictures per second; what is no positive number becomes 25.

    Raises:
        InputError: The file cannot be written.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float) -> None:
        self.path = path
        self._unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        rate = Fraction(fps).limit_denominator(1001) if math.isfinite(fps) and fps > 0 else Fraction(25)
        try:
            self._unfinished.touch()  # libav itself opens the file only with the first picture
            self._container = av.open(str(self._unfinished), "w", format="mp4", options={"movflags": "faststart"})
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error.strerror}") from error
        if "libx264" in av.codecs_available:
            self._stream = self._container.add_stream("libx264", rate, options={"crf": "18", "preset": "veryfast"})
        else:
            self._stream = self._container.add_stream("mpeg4", rate, options={"q:v": "3"})
        self._stream.height, self._stream.width = size
        self._stream.pix_fmt = "yuv420p"

    def write(self, picture: np.ndarray) -> None:
        """Appends a picture, RGB, uint8 `[H, W, 3]`.

        Raises:
            InputError: The disk is full, or the like.
        """
        self._mux(av.VideoFrame.from_ndarray(picture, format="rgb24"))

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(frame))
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._mux(None)
                self._container.close()
                os.replace(self._unfinished, self.path)
        except OSError as problem:
            raise InputError(f"{self.path} cannot be written: {problem.strerror}") from problem
        finally:
            with contextlib.suppress(OSError):
                self._container.close()
            self._unfinished.unlink(missing_ok=True)
