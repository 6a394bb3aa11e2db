"""The contract of an output format: frames come in one by one, and what is written of them is always readable."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, NamedTuple

from typing_extensions import Self

from refsam_zoo.errors import InputError
from refsam_zoo.registry import Registry
from refsam_zoo.systems.base import FrameMasks

UNFINISHED = ".unfinished"
"""Folder in the output folder with what only a later run needs; gone when the video is finished."""


@dataclass(frozen=True)
class VideoFacts:
    """What is known of a video and of what is asked about it before the first frame is segmented.

    Attributes:
        name: What its results are called, a plain file name.
        size: Height and width of its frames in pixels.
        expressions: N sentences; the first is number 1.
        score_meaning: What kind of number the scores are.
        fps: Frames per second on average; what is no positive number means 25.
        time_unit: Seconds that times are multiples of; None where the rate says it all.
        pixel_aspect: Width of a pixel as displayed over its height.
        sound: A video file whose sound belongs to it, and the time in it of the first frame, in seconds.
        goes_on: Whether that sound goes on after the last frame, where it is not wanted.
    """

    name: str
    size: tuple[int, int]
    expressions: tuple[str, ...]
    score_meaning: str = ""
    fps: float = 25
    time_unit: Fraction | None = None
    pixel_aspect: Fraction = Fraction(1)
    sound: tuple[Path, Fraction] | None = None
    goes_on: bool = False

    @property
    def numbered(self) -> dict[str, str]:
        """Number of each sentence, as it stands in files and names of folders -> the sentence."""
        return {str(number): sentence for number, sentence in enumerate(self.expressions, 1)}


class SegmentedFrame(NamedTuple):
    """A frame on its way into the outputs.

    Attributes:
        position: How many frames came before it.
        name: What its files are called.
        time: When it is shown, in seconds after the first one.
        found: Its picture, masks and scores.
    """

    position: int
    name: str
    time: Fraction
    found: FrameMasks


class Output(ABC):
    """One format; use it as a context manager, which makes readable files of every frame added, also if it fails.

    It works in memory that does not grow with the video. A later run goes on where one stopped: it is told what that
    one kept, and leaves out the frames that are there.

    Args:
        folder: Folder of the result.
        facts: The video.
        kept: Frames that an earlier run has surely written, to be continued; None to begin anew.

    Attributes:
        file: Name of its file or folder in the folder of the result.
        path: That file or folder.
        hidden: Folder for what only a later run needs.
        frames: Frames that are written or waiting.
    """

    file: ClassVar[str]

    def __init__(self, folder: Path, facts: VideoFacts, kept: int | None = None) -> None:
        self.path = folder / self.file
        self.hidden = folder / UNFINISHED
        self.facts = facts
        self.frames = kept or 0

    def add(self, frame: SegmentedFrame) -> None:
        """Takes the next frame; one that is written is passed over, and so are those after one that failed.

        Raises:
            InputError: The disk is full, or the like.
        """
        if frame.position == self.frames:
            self.write(frame)
            self.frames += 1

    @abstractmethod
    def write(self, frame: SegmentedFrame) -> None:
        """Writes the next frame, all of it or nothing."""

    def keep(self) -> None:  # noqa: B027 - most write at once
        """Brings to disk what a later run needs of the frames added so far, as far as it is not there."""

    def close(self, whole: bool) -> None:  # noqa: B027 - most have nothing open
        """Makes readable files of all that was added.

        Args:
            whole: Whether the video has come to its end.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close(whole=True)
        else:
            with contextlib.suppress(InputError):  # the first problem is the one to tell
                self.close(whole=False)


OUTPUTS: Registry[Output] = Registry[Any]("output", package="refsam_zoo.inference.outputs")
