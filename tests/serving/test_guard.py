"""Who may ask, and what every answer binds the browser to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from serving.running import Visitor, running

TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture(scope="module")
def guarded(folder: Path) -> Iterator[Visitor]:
    with running(token=TOKEN) as server:
        assert server.url.endswith(f"/?token={TOKEN}")
        yield Visitor(server.url)


class TestTheGuard:
    @pytest.mark.parametrize("path", ["/", "/settings", "/page/page.js", "/?token=wrong", "/?token="])
    def test_nothing_without_the_token(self, guarded: Visitor, path: str) -> None:
        status, _, answer = guarded.ask("GET", path)
        assert status == 401
        assert TOKEN not in answer.decode()

    def test_the_token_becomes_a_cookie(self, guarded: Visitor) -> None:
        status, headers, _ = guarded.ask("GET", f"/?token={TOKEN}")
        assert (status, headers["location"]) == (303, "/")
        cookie, *attributes = headers["set-cookie"].split("; ")
        assert {"HttpOnly", "SameSite=strict"} <= set(attributes)
        assert guarded.ask("GET", "/", headers={"cookie": cookie})[0] == 200
        assert guarded.ask("GET", "/", headers={"cookie": f"{cookie}x"})[0] == 401

    def test_programs_give_it_in_a_header(self, guarded: Visitor) -> None:
        assert guarded.ask("GET", "/settings", headers={"authorization": f"Bearer {TOKEN}"})[0] == 200
        assert guarded.ask("GET", "/settings", headers={"authorization": "Bearer ü"})[0] == 401

    @pytest.mark.parametrize(
        ("method", "path", "headers", "status"),
        [
            ("GET", "/settings", {"host": "localhost:1"}, 200),
            ("GET", "/settings", {"host": "[::1]:8000"}, 200),
            ("GET", "/settings", {"host": "evil.example"}, 403),
            ("GET", "/settings", {"host": "localhost.evil.example"}, 403),
            ("GET", "/settings", {"host": "[bad"}, 403),
            ("POST", "/samples/9", {"origin": "https://evil.example"}, 403),
            ("POST", "/samples/9", {"origin": "null"}, 403),
            ("POST", "/samples/9", {"sec-fetch-site": "cross-site"}, 403),
            ("POST", "/samples/9", {"sec-fetch-site": "same-site"}, 403),
            ("POST", "/samples/9", {"sec-fetch-site": "same-origin"}, 400),
            ("GET", "/settings", {"sec-fetch-site": "cross-site"}, 403),
            ("GET", "/", {"sec-fetch-site": "cross-site"}, 200),
        ],
    )
    def test_pages_of_other_sites_get_nothing(
        self, visitor: Visitor, method: str, path: str, headers: dict[str, str], status: int
    ) -> None:
        assert visitor.ask(method, path, None, headers)[0] == status

    @pytest.mark.parametrize("path", ["/", "/settings", "/page/page.css", "/nothing", "/clips/x/pictures/1"])
    def test_every_answer_binds_the_browser(self, visitor: Visitor, path: str) -> None:
        _, headers, _ = visitor.ask("GET", path)
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
