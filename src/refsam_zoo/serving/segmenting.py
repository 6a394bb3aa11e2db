"""The one thread that runs the system: clips wait for it in a queue, so that memory holds one of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any
from weakref import WeakKeyDictionary

import torch

from refsam_zoo.errors import InputError
from refsam_zoo.serving.clips import Clip, GoneError
from refsam_zoo.serving.earlier_tracks import EarlierTracks
from refsam_zoo.serving.questions import Question
from refsam_zoo.serving.runs import Run
from refsam_zoo.systems.base import VideoSegmenter
from refsam_zoo.systems.session import VideoSession

_logger = logging.getLogger(__name__)


class SegmentingThread:
    """Segments clips one after the other, frame by frame, in the order in which they were asked for.

    Args:
        system: Finds the masks.
        computing: Makes what the system computes in, see `precision.computing_in`.
    """

    def __init__(self, system: VideoSegmenter[Any], computing: Callable[[], AbstractContextManager[object]]) -> None:
        self.system = system
        self._computing = computing
        self._runs: list[Run] = []
        self._earlier = WeakKeyDictionary[Clip, EarlierTracks]()
        self._pool = ThreadPoolExecutor(1, "segmenting")

    def submit(self, clip: Clip, question: Question) -> None:
        """Queues a run, in the place of the clip's earlier one, which is stopped."""
        if clip.run is not None:
            clip.run.stop.set()
        clip.run = run = Run.after(clip.run, question)
        self._runs.append(run)
        self._pool.submit(self._work, clip, run)
        clip.notify()

    def ahead_of(self, run: Run) -> int:
        """How many runs that are still wanted come before one."""
        earlier = self._runs[: self._runs.index(run)] if run in self._runs else []
        return sum(not other.stop.is_set() for other in earlier)

    def close(self) -> None:
        """Stops everything and waits for the frame under way."""
        for run in list(self._runs):
            run.stop.set()
        self._pool.shutdown()

    def _work(self, clip: Clip, run: Run) -> None:
        try:
            with clip.hold(), self._computing(), torch.inference_mode():
                run.state = "running"
                clip.notify()
                self._segment(clip, run)
                run.state = "stopped" if run.stop.is_set() else "finished"
        except GoneError:
            run.state = "stopped"
        except InputError as error:
            run.message, run.state = str(error), "failed"
        except torch.OutOfMemoryError:
            _logger.exception("a clip does not fit into memory")
            run.message, run.state = "this clip does not fit into the server's memory; send a smaller one", "failed"
        except Exception:  # a defect must not end the thread that serves everybody
            _logger.exception("a clip could not be segmented")
            run.message, run.state = "something went wrong on the server; its log says what", "failed"
        finally:
            self._runs.remove(run)
            clip.notify()

    def _segment(self, clip: Clip, run: Run) -> None:
        session = VideoSession(self.system, run.question.sentences)
        begin, earlier = self._go_back(clip, run, session)
        with clip.open() as video:
            for position, frame in enumerate(video.frames()):
                if run.stop.is_set():
                    return
                if position < begin:
                    continue
                earlier.add(position, session.tracks)
                found = session(frame.picture)
                for mark in run.question.of(position):
                    found = session.correct(mark.sentence, mark.points, mark.wanted, mark.box)
                if position >= run.first:
                    clip.write(position, found, float(frame.time))
                    run.frames = position + 1
                    clip.notify()

    def _go_back(self, clip: Clip, run: Run, session: VideoSession) -> tuple[int, EarlierTracks]:
        """Brings a session to a frame at or before the first one that is wanted.

        Tracks are kept of one clip, the one at work last: memory does not grow with visitors.

        Returns:
            That frame, and what is known of the clip before other frames.
        """
        if clip not in self._earlier or run.first == 0:
            self._earlier.clear()
            self._earlier[clip] = EarlierTracks()
        begin, found = 0, self._earlier[clip].before(run.first)
        if found is not None:
            begin, session.tracks = found
        return begin, self._earlier[clip]
