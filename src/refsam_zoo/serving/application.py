"""The routes of the page: bring a clip, ask, follow, take home, delete."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from refsam_zoo.errors import InputError
from refsam_zoo.inference.legend import COLOURS
from refsam_zoo.inference.outputs import OUTPUTS
from refsam_zoo.serving.clip_store import ClipStore, FullError
from refsam_zoo.serving.clips import Clip, GoneError
from refsam_zoo.serving.downloads import write_output
from refsam_zoo.serving.events import events_of
from refsam_zoo.serving.limits import Limits
from refsam_zoo.serving.questions import LONGEST_SENTENCE, read_question
from refsam_zoo.serving.samples import SAMPLES, write_sample
from refsam_zoo.serving.segmenting import SegmentingThread
from refsam_zoo.serving.uploads import TooLargeError, limited_body, plain_name, save_upload
from refsam_zoo.systems.base import VideoSegmenter

PAGE = Path(__file__).parent / "page"
LONGEST_REQUEST = 100_000
"""Bytes of a request that brings no clip."""
STATUS = {TooLargeError: 413, GoneError: 404, FullError: 503}
"""What HTTP calls these mistakes; others are 400."""
CLIENT_GONE = 499
"""Nobody reads it."""


class Application:
    """Answers the page.

    Args:
        system: Finds the masks.
        computing: Makes what the system computes in, see `precision.computing_in`.
        folder: Where clips lie while they are here.
        limits: What visitors may ask.
    """

    def __init__(
        self,
        system: VideoSegmenter[Any],
        computing: Callable[[], AbstractContextManager[object]],
        folder: Path,
        limits: Limits,
    ) -> None:
        self._limits = limits
        self._clips = ClipStore(folder, limits)
        self._segmenting = SegmentingThread(system, computing)
        self._one_download = asyncio.Semaphore(1)

    def app(self) -> Starlette:
        """Makes the ASGI application."""
        routes = [
            Route("/", self._page),
            Route("/settings", self._settings),
            Route("/clips", self._upload, methods=["POST"]),
            Route("/samples/{number:int}", self._sample, methods=["POST"]),
            Route("/clips/{clip}", self._delete, methods=["DELETE"]),
            Route("/clips/{clip}/events", self._events),
            Route("/clips/{clip}/run", self._run, methods=["POST"]),
            Route("/clips/{clip}/stop", self._stop, methods=["POST"]),
            Route("/clips/{clip}/pictures/{frame:int}", self._picture),
            Route("/clips/{clip}/outputs/{output}", self._download),
            Mount("/page", StaticFiles(directory=PAGE)),
        ]
        handlers: dict[Any, Any] = {InputError: _mistake, ClientDisconnect: _gone, Exception: _defect}
        return Starlette(routes=routes, lifespan=self._lifespan, exception_handlers=handlers)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        tidying = asyncio.create_task(self._tidy())
        yield
        tidying.cancel()
        self._clips.close()
        await run_in_threadpool(self._segmenting.close)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(5)
            self._clips.remove_idle()

    async def _page(self, request: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def _settings(self, request: Request) -> Response:
        return JSONResponse(
            {
                "system": type(self._segmenting.system).__name__,
                "takes_marks": self._segmenting.system.takes_corrections,
                "upload_mb": self._limits.upload_mb,
                "seconds": self._limits.seconds,
                "sentences": self._limits.sentences,
                "longest_sentence": LONGEST_SENTENCE,
                "samples": len(SAMPLES),
                "colours": COLOURS,
                "outputs": [{"name": name, "what": OUTPUTS.card(name).family} for name in OUTPUTS],
            }
        )

    async def _upload(self, request: Request) -> Response:
        name = plain_name(unquote(request.headers.get("x-file-name", "")))
        with self._clips.arriving() as folder:
            with (folder / "video").open("wb") as file:
                await save_upload(request, file, self._limits)
            return await self._take(folder, name)

    async def _sample(self, request: Request) -> Response:
        number = request.path_params["number"]
        if not 1 <= number <= len(SAMPLES):
            raise InputError(f"there are samples 1 to {len(SAMPLES)}")
        with self._clips.arriving() as folder:
            suggestions = await run_in_threadpool(write_sample, number, folder / "video")
            return await self._take(folder, f"sample-{number}", suggestions)

    async def _take(self, folder: Path, name: str, suggestions: list[str] | None = None) -> Response:
        clip = await run_in_threadpool(Clip, folder, name, self._limits)
        self._clips.add(clip)
        height, width = clip.size
        facts = {"id": clip.id, "name": clip.name, "width": width, "height": height, "frames": clip.length}
        more = {"seconds": float(clip.length / clip.fps), "fps": float(clip.fps), "suggestions": suggestions or []}
        return JSONResponse(facts | more, 201)

    async def _delete(self, request: Request) -> Response:
        self._clips.remove(self._clip(request))
        return JSONResponse({})

    async def _events(self, request: Request) -> Response:
        clip = self._clip(request)

        async def events() -> AsyncIterator[str]:
            try:
                async for event in events_of(clip, self._segmenting):
                    yield event
            finally:  # the page is gone, and all that it brought goes with it
                self._clips.remove(clip)

        if clip.watched:
            raise InputError("another page shows this clip")
        as_they_come = {"x-accel-buffering": "no"}  # a proxy would wait for more
        return StreamingResponse(events(), media_type="text/event-stream", headers=as_they_come)

    async def _run(self, request: Request) -> Response:
        clip = self._clip(request)
        asked = await _json_body(request)
        takes_marks = self._segmenting.system.takes_corrections
        self._segmenting.submit(clip, read_question(asked, clip.size, clip.length, self._limits.sentences, takes_marks))
        return JSONResponse({}, 202)

    async def _stop(self, request: Request) -> Response:
        if run := self._clip(request).run:
            run.stop.set()
        return JSONResponse({}, 202)

    async def _picture(self, request: Request) -> Response:
        clip, frame = self._clip(request), request.path_params["frame"]
        if not clip.picture(frame).exists():
            raise GoneError(f"frame {frame} is not there yet")
        return FileResponse(clip.picture(frame))

    async def _download(self, request: Request) -> Response:
        clip, output = self._clip(request), request.path_params["output"]
        OUTPUTS.get(output)
        run, stop = clip.run, threading.Event()
        if run is None or not run.frames:
            raise InputError("nothing was found yet; ask for something first")

        def write() -> Path | None:
            with clip.hold():
                return write_output(clip, run, self._segmenting.system, output, stop)

        async with self._one_download:
            path = await _unless_gone(request, write, stop)
        if path is None:
            return Response(status_code=CLIENT_GONE)
        return FileResponse(path, filename=f"{clip.name}-{output}{path.suffix}")

    def _clip(self, request: Request) -> Clip:
        return self._clips.get(request.path_params["clip"])


async def _unless_gone(request: Request, work: Callable[[], Path | None], stop: threading.Event) -> Path | None:
    """Does something in another thread; where the visitor goes away, it is told to stop."""
    task = asyncio.ensure_future(run_in_threadpool(work))
    try:
        while not task.done():
            await asyncio.wait([task], timeout=0.2)
            if await request.is_disconnected():
                stop.set()
        return task.result()
    finally:
        stop.set()


async def _json_body(request: Request) -> dict[str, Any]:
    body = b"".join([piece async for piece in limited_body(request, LONGEST_REQUEST)])
    try:
        asked = json.loads(body)
    except ValueError as error:
        raise InputError(f"the request is no JSON: {error}") from error
    if not isinstance(asked, dict):
        raise InputError("the request is no JSON object")
    return asked


async def _mistake(request: Request, error: InputError) -> Response:
    return JSONResponse({"error": str(error)}, STATUS.get(type(error), 400))


async def _gone(request: Request, error: ClientDisconnect) -> Response:
    return Response(status_code=CLIENT_GONE)


async def _defect(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "something went wrong on the server; its log says what"}, 500)
