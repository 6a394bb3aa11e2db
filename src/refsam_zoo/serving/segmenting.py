"""The one thread that runs the system: clips wait for it in a queue, so that memory holds one of them."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from refsam_zoo.errors import InputError
from refsam_zoo.serving.clips import Clip, GoneError, Run
from refsam_zoo.systems.base import VideoSegmenter
from refsam_zoo.video.frame_stream import Frame, FrameStream

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
        self._pool = ThreadPoolExecutor(1, "segmenting")

    def submit(self, clip: Clip, run: Run) -> None:
        """Queues a run, in the place of the clip's earlier one, which is stopped."""
        if clip.run is not None:
            clip.run.stop.set()
        clip.run = run
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
            with clip.hold(), self._computing():
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
        under_way = deque[Frame]()

        def pictures(video: FrameStream) -> Iterator[np.ndarray]:
            for frame in video.frames():
                under_way.append(frame)
                yield frame.picture

        with clip.open() as video:
            for position, found in enumerate(self.system.stream(pictures(video), run.sentences)):
                if run.stop.is_set():
                    return
                clip.write(position, found, float(under_way.popleft().time))
                run.frames = position + 1
                clip.notify()
