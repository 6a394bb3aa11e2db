"""Moments of a video as people write them: seconds, a clock time or the number of a frame."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from refsam_zoo.errors import InputError

CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", re.ASCII)
"""Hours and minutes may be left out."""
FRAME = re.compile(r"(\d+)f", re.ASCII)


@dataclass(frozen=True)
class Moment:
    """A point in a video.

    Attributes:
        text: How it was written.
        frame: Number of the frame shown then, from 0; None where it is a time.
        seconds: Seconds after the first frame; without meaning where there is a number.
    """

    text: str
    frame: int | None = None
    seconds: Fraction = Fraction(0)

    @classmethod
    def parse(cls, text: str, option: str = "a moment") -> Moment:
        """Reads `1.5` (seconds), `01:10` or `00:01:10.5` (hours, minutes and seconds) or `120f` (the frame 120).

        Args:
            text: What was written.
            option: Where, for the message.

        Raises:
            InputError: It is none of these.
        """
        if number := FRAME.fullmatch(text.strip()):
            return cls(text, frame=int(number[1]))
        if clock := CLOCK.fullmatch(text.strip()):
            hours, minutes, seconds = clock.groups(default="0")
            return cls(text, seconds=3600 * int(hours) + 60 * int(minutes) + Fraction(seconds))
        raise InputError(f"{option}: {text!r} is no point in a video; write seconds (1.5), 00:01:10 or a frame (120f)")

    def is_after(self, position: int, time: Fraction) -> bool:
        """Whether a frame, by its number and its time, is shown before this moment."""
        return time < self.seconds if self.frame is None else position < self.frame
