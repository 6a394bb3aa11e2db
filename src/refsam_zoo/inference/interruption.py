"""What `segment` does when it has to stop early: it keeps what it has, and says so."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from refsam_zoo.errors import InputError
from refsam_zoo.output_files import NO_ROOM


@dataclass
class Kept:
    """How far a video was segmented.

    Attributes:
        frames: Frames whose masks and pictures are written, or will be when the writers are closed.
    """

    frames: int = 0


@contextmanager
def say_what_is_kept(output: Path, total: int | None) -> Iterator[Kept]:
    """Adds to an early end how many frames are kept, and how to begin anew.

    Args:
        output: Folder of the result.
        total: Frames of the video; None where nobody knows.

    Yields:
        To be told of each frame.
    """
    kept = Kept()

    def summary(error: BaseException | None = None) -> str:
        frames = f"{kept.frames} frames" if total is None else f"{kept.frames} of {total} frames"
        anew = "the same command with --resume goes on, with --overwrite begins anew"
        if not kept.frames:
            return f"no frame was finished; {anew}"
        if isinstance(error, OSError) and error.errno in NO_ROOM:  # for some pictures there was room
            return f"what could be written of the first {frames} is in {output}; {anew}"
        return f"the first {frames} are kept in {output}; {anew}"

    try:
        yield kept
    except InputError as error:
        raise InputError(f"{error}; {summary(error.__cause__)}") from error
    except (KeyboardInterrupt, SystemExit):
        print(f"refsam-zoo: stopped: {summary()}", file=sys.stderr)
        raise


@contextmanager
def leave_on_termination() -> Iterator[None]:
    """Makes the signal of `kill` and of job schedulers end the block in order, with its exit status.

    Python hears signals in the main thread only; elsewhere nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if earlier is None else earlier)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
