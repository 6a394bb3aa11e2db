"""Who may ask: no page of another site, nobody without the token, and headers that bind the browser to this page."""

from __future__ import annotations

import ipaddress
import secrets
from typing import Literal
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
COOKIE = "refsam_zoo_token"


def is_loopback(host: str) -> bool:
    """Whether a name or address is this machine's own, which nobody else can reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Guard:
    """Lets requests through to an application, or refuses them.

    A page of another site can make a browser ask this server, too: under a name of its own that leads here (DNS
    rebinding), which is refused by the name, or across sites, which is refused by what the browser says of it.

    Args:
        app: The application.
        token: What visitors have to know, as `?token=` of the first request, which becomes a cookie, or as a header
            `Authorization: Bearer ...`; None where everybody who reaches the server may use it.
        port: That of the server; cookies do not know it.
        own_names_only: Whether the server may be called by names of this machine only: where it listens to nothing
            else. Elsewhere nobody knows its names, and the token keeps strangers out.
    """

    def __init__(self, app: ASGIApp, token: str | None, port: int, own_names_only: bool) -> None:
        self._app, self._token, self._own_names_only = app, token, own_names_only
        self._cookie = f"{COOKIE}_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request; see ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_bound(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        answer = self._answer(Request(scope)) or self._app
        await answer(scope, receive, send_bound)

    def _answer(self, request: Request) -> Response | None:
        """Gives the answer to a request that does not reach the application."""
        name = _host(f"//{request.headers.get('host', '')}")
        if name is None or (self._own_names_only and not is_loopback(name)):
            return _refused("this server is called by another name: use the address that it printed")
        if not _same_site(request):
            return _refused("this request comes from the page of another site")
        if self._token is None:
            return None
        if self._knows(request.query_params.get("token")):
            return self._with_cookie(request)
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self._knows(request.cookies.get(self._cookie)) or self._knows(bearer):
            return None
        return _refused("this server needs its token: open the address that it printed, ?token=... included", 401)

    def _knows(self, given: str | None) -> bool:
        assert self._token is not None
        return given is not None and secrets.compare_digest(given.encode(), self._token.encode())

    def _with_cookie(self, request: Request) -> Response:
        """Takes the token out of the address, where histories and other people's eyes find it."""
        assert self._token is not None
        response = RedirectResponse(request.url.path, 303)
        strict: Literal["strict"] = "strict"
        response.set_cookie(self._cookie, self._token, httponly=True, samesite=strict)
        return response


def _host(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _same_site(request: Request) -> bool:
    """Whether a browser says that the request is this page's, or a person's who typed the address; others say nothing.

    Opening the page by a link from elsewhere is no harm: it shows nothing of anybody.
    """
    site = request.headers.get("sec-fetch-site", "none")
    opened = request.method == "GET" and request.url.path == "/"
    if site not in ("same-origin", "none") and not opened:
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


def _refused(reason: str, status: int = 403) -> Response:
    return JSONResponse({"error": reason}, status)
