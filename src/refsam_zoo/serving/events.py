"""What a page is told while it follows a clip, as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from refsam_zoo.serving.clips import Clip
from refsam_zoo.serving.segmenting import SegmentingThread

HEARTBEAT = 1.0
"""Seconds between signs of life, by which a page that is gone is noticed, and the place in the queue is told anew."""


async def events_of(clip: Clip, segmenting: SegmentingThread) -> AsyncIterator[str]:
    """Tells what happens to a clip until it is closed.

    Yields:
        Events: `run` where a run begins, with its sentences and first frame; `queue` with the number of runs before it;
        `frame` as `Clip.read` gives it; `end` with the state in which it ended and a message.

    Raises:
        InputError: Another page follows the clip.
    """
    run, sent, queued, ended = None, 0, -1, False
    with clip.watch():
        while not clip.closed:
            clip.changed.clear()
            if clip.run is not run and clip.run is not None:
                run, sent, queued, ended = clip.run, clip.run.first, -1, False
                yield _event("run", json.dumps({"sentences": run.question.sentences, "first": run.first}))
            if run is not None and not ended:
                ends = run.ended  # asked first: no frame comes after it
                if run.state == "waiting" and queued != (ahead := segmenting.ahead_of(run)):
                    queued = ahead
                    yield _event("queue", json.dumps({"ahead": ahead}))
                while sent < run.frames and clip.run is run:
                    yield _event("frame", clip.read(sent))
                    sent += 1
                if ends and clip.run is run:
                    ended = True
                    yield _event("end", json.dumps({"state": run.state, "message": run.message}))
            try:
                await asyncio.wait_for(clip.changed.wait(), HEARTBEAT)
            except asyncio.TimeoutError:
                yield ": still here\n\n"


def _event(kind: str, data: str) -> str:
    return f"event: {kind}\ndata: {data}\n\n"
