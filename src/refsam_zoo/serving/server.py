"""Listens, and cleans up behind itself."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import uvicorn

from refsam_zoo.errors import InputError
from refsam_zoo.serving.application import Application
from refsam_zoo.serving.guard import Guard, is_loopback
from refsam_zoo.serving.limits import Limits
from refsam_zoo.systems.base import VideoSegmenter

MOST_CONNECTIONS = 200


class PageServer:
    """Serves the page until it is told to stop.

    Args:
        system: Finds the masks.
        computing: Makes what the system computes in, see `precision.computing_in`.
        limits: What visitors may ask.
        host: Name or address to listen at.
        port: Its port; 0 takes a free one.
        token: What visitors have to know, or None.

    Attributes:
        url: Where the page is, with its token.

    Raises:
        InputError: Nothing can listen there.
    """

    def __init__(
        self,
        system: VideoSegmenter[Any],
        computing: Callable[[], AbstractContextManager[object]],
        limits: Limits,
        host: str,
        port: int,
        token: str | None = None,
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"--host {host} --port {port}: {reason}; --port 0 takes a free port") from error
        port = self._socket.getsockname()[1]
        name = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{port}/" + (f"?token={token}" if token else "")
        self._folder = tempfile.TemporaryDirectory(prefix="refsam-zoo-serve-", ignore_cleanup_errors=True)
        application = Application(system, computing, Path(self._folder.name), limits).app()
        guarded = Guard(application, token, port, is_loopback(host))
        config = uvicorn.Config(
            guarded,
            log_level="warning",
            access_log=False,  # the token is in the first address
            server_header=False,
            timeout_graceful_shutdown=1,
            limit_concurrency=MOST_CONNECTIONS,
            ws="none",
        )
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Serves until a signal comes, or `stop` is called; then deletes all that visitors brought."""
        with self._folder, self._socket:
            self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Ends `run`; may be called from another thread."""
        self._server.should_exit = True
