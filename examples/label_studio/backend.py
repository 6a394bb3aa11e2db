"""A machine-learning backend for Label Studio: masks and boxes for sentences, by any system of refsam-zoo.

Usage: python examples/label_studio/backend.py --checkpoint FOLDER --files DIR
See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import numpy as np
import uvicorn
from labelling import Labelling
from PIL import Image
from regions import brush_region, prediction, video_region
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as Asked
from starlette.responses import JSONResponse
from starlette.routing import Route

import refsam_zoo
from refsam_zoo import InputError, VideoSegmenter

MOST_REQUEST = 64 * 2**20
MOST_DOWNLOAD = 4 * 2**30
"""Bytes; what is larger is refused."""


class Files:
    """Finds the files of tasks: below one folder, or uploaded to one Label Studio, and nowhere else.

    Args:
        folder: What Label Studio calls the root of local files; None refuses them.
        label_studio: Address of Label Studio, for uploaded files; None refuses them.
        token: Access token for it.
    """

    def __init__(self, folder: Path | None, label_studio: str | None, token: str) -> None:
        self.folder = None if folder is None else folder.resolve()
        self.label_studio = label_studio and label_studio.rstrip("/")
        self.token = token

    @contextmanager
    def open(self, address: str) -> Iterator[Path]:
        """Gives the path of a task's file; what is downloaded for it is gone afterwards.

        Raises:
            InputError: It lies elsewhere, or cannot be had.
        """
        place = address.removeprefix(self.label_studio) if self.label_studio else address
        parts = urlsplit(place)
        if parts.scheme or parts.netloc or not place.startswith("/data/"):
            raise InputError(f"'{address}' is neither a local file nor uploaded to the Label Studio of --label_studio")
        if parts.path.rstrip("/") == "/data/local-files":
            yield self._local(parse_qs(parts.query).get("d", [""])[0])
        elif parts.path.startswith("/data/upload/") and ".." not in parts.path and self.label_studio:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, Path(parts.path).name)
                self._download(parts.path, path)
                yield path
        else:
            raise InputError(f"'{address}' is no file that may be read; uploaded ones need --label_studio")

    def _local(self, name: str) -> Path:
        if self.folder is None or "\0" in name:
            raise InputError(f"'{name}' is not below the folder of --files")
        path = (self.folder / name).resolve()
        if not path.is_relative_to(self.folder):
            raise InputError(f"'{name}' is not below the folder of --files")
        if not path.is_file():
            raise InputError(f"'{name}' is not in the folder of --files")
        return path

    def _download(self, place: str, path: Path) -> None:
        headers = {"Authorization": f"Token {self.token}"} if self.token else {}
        request = Request(f"{self.label_studio}{place}", headers=headers)
        try:
            with build_opener(_Stay).open(request, timeout=60) as answer, path.open("wb") as file:
                while part := answer.read(2**20):
                    file.write(part)
                    if file.tell() > MOST_DOWNLOAD:
                        raise InputError(f"'{place}' has more than {MOST_DOWNLOAD} bytes")
        except OSError as error:
            why = f"{error}; is LABEL_STUDIO_API_KEY right?"
            raise InputError(f"'{place}' cannot be had from Label Studio: {why}") from error


class _Stay(HTTPRedirectHandler):
    """Follows no redirection: it may lead anywhere."""

    def redirect_request(self, *_: Any) -> None:
        return None


class Backend:
    """Answers what Label Studio asks, one task at a time.

    Args:
        system: What segments.
        name: What is told of the system as the version of the model.
        files: Finds the files of tasks.
    """

    def __init__(self, system: VideoSegmenter[Any], name: str, files: Files) -> None:
        self.system = system
        self.version = name
        self.files = files
        self._turn = threading.Lock()

    def health(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Tells that it runs."""
        return {"status": "UP", "model_class": self.version}

    def setup(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Takes on a project whose labelling configuration it can answer."""
        Labelling.parse(asked.get("schema"))
        return {"model_version": self.version}

    def versions(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Tells the one model there is."""
        return {"versions": [self.version]}

    def webhook(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Hears of annotations; nothing is trained here."""
        return {"status": "ignored", "message": "refsam-zoo fit trains, not the labelling tool"}

    def predict(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Finds the targets of tasks.

        Raises:
            InputError: A task, its file or the configuration is not as it should be.
        """
        tasks, parameters = asked.get("tasks"), asked.get("params") or {}
        if not isinstance(tasks, list) or not all(isinstance(task, Mapping) for task in tasks):
            raise InputError("a request has a list of tasks")
        labelling = Labelling.parse(asked.get("label_config"))
        with self._turn:
            return {"results": [self._task(task, labelling, parameters.get("context")) for task in tasks]}

    def _task(self, task: Mapping[str, Any], labelling: Labelling, context: object) -> dict[str, Any]:
        sentences = labelling.sentences(task, context)
        with self.files.open(labelling.address(task)) as path:
            if labelling.kind == "Image":
                regions = self._image(path, labelling, sentences)
            else:
                regions = self._video(path, labelling, sentences, labelling.frames_per_second(task))
        return prediction(regions, self.version)

    def _image(self, path: Path, labelling: Labelling, sentences: list[str]) -> list[dict[str, Any]]:
        try:
            picture = np.asarray(Image.open(path).convert("RGB"))
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise InputError(f"'{path.name}' is no picture that can be read: {error}") from error
        found = self.system(picture, sentences)
        each = zip(sentences, found.masks, found.scores, strict=True)
        return [brush_region(labelling, said, mask, float(score)) for said, mask, score in each if mask.any()]

    def _video(self, path: Path, labelling: Labelling, sentences: list[str], rate: float) -> list[dict[str, Any]]:
        with tempfile.TemporaryDirectory() as folder:
            device = str(self.system.device)
            refsam_zoo.segment(
                path, sentences, output=folder, system=self.system, device=device, save="tracks", quiet=True
            )
            tracks = json.loads(Path(folder, "tracks.json").read_text(encoding="utf-8"))
        found = (video_region(labelling, said, tracks, number, rate) for number, said in enumerate(sentences, 1))
        return [region for region in found if region is not None]


Answer = Callable[[Mapping[str, Any]], dict[str, Any]]


def application(backend: Backend) -> Starlette:
    """Makes the web application."""

    def route(path: str, answer: Answer, method: str, status: int = 200) -> Route:
        async def respond(request: Asked) -> JSONResponse:
            try:
                asked = await _content(request) if method == "POST" else {}
                return JSONResponse(await run_in_threadpool(answer, asked), status)
            except InputError as error:
                print(f"refsam-zoo: {error}", file=sys.stderr)
                return JSONResponse({"error": str(error)}, 400)

        return Route(path, respond, methods=[method])

    return Starlette(
        routes=[
            route("/", backend.health, "GET"),
            route("/health", backend.health, "GET"),
            route("/setup", backend.setup, "POST"),
            route("/versions", backend.versions, "GET"),
            route("/predict", backend.predict, "POST"),
            route("/webhook", backend.webhook, "POST", 201),
            route("/train", backend.webhook, "POST", 201),
        ]
    )


async def _content(request: Asked) -> Mapping[str, Any]:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_REQUEST:
            raise InputError(f"a request has at most {MOST_REQUEST} bytes")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError("a request is JSON") from error
    if not isinstance(content, Mapping):
        raise InputError("a request is a JSON object")
    return content


def main(arguments: list[str] | None = None) -> None:
    """Starts the server."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checkpoint", help="of refsam-zoo fit, or a folder of refsam-zoo export")
    parser.add_argument("--system", help="another system of refsam-zoo list, with --weights", default="refsam")
    parser.add_argument("--weights", help="folder of the system's weights")
    parser.add_argument("--files", type=Path, help="folder of local files, LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT")
    parser.add_argument("--label_studio", help="address of Label Studio, for files that are uploaded to it")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9090)
    given = parser.parse_args(arguments)
    try:
        if given.checkpoint:
            system = refsam_zoo.create_system("refsam", checkpoint=given.checkpoint)
        else:
            system = refsam_zoo.create_system(given.system, weights=given.weights)
    except (InputError, TypeError) as error:
        sys.exit(f"refsam-zoo: {error}")
    system.model.to(given.device)
    name = f"refsam-zoo {refsam_zoo.__version__} {Path(given.checkpoint or given.weights or given.system).name}"
    files = Files(given.files, given.label_studio, os.environ.get("LABEL_STUDIO_API_KEY", ""))
    uvicorn.run(application(Backend(system, name, files)), host=given.host, port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
