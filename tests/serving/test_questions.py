"""Questions that cannot be answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from serving.running import Visitor


class TestQuestions:
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"{", "no JSON"),
            ([], "no JSON object"),
            ({"sentences": "red"}, "say what to look for"),
            ({"sentences": []}, "no sentence"),
            ({"sentences": ["red", " "]}, "sentence 2 is empty"),
            ({"sentences": ["red"] * 3}, "at most 2 sentences"),
            ({"sentences": ["red" * 200]}, "at most 500 characters"),
        ],
    )
    def test_bad_ones(self, finished: Any, body: Any, message: str) -> None:
        visitor, clip, _ = finished
        assert message in visitor.json("POST", f"/clips/{clip['id']}/run", body, 400)["error"]

    def test_too_long_a_body(self, finished: Any) -> None:
        visitor, clip, _ = finished
        visitor.json("POST", f"/clips/{clip['id']}/run", b" " * 100_001, 413)

    def test_nothing_found_yet(self, visitor: Visitor, film: Path) -> None:
        clip = visitor.bring(film)
        assert "nothing was found" in visitor.json("GET", f"/clips/{clip['id']}/outputs/masks", None, 400)["error"]
        visitor.json("DELETE", f"/clips/{clip['id']}")
        assert "deleted" in visitor.json("POST", f"/clips/{clip['id']}/run", {"sentences": ["red"]}, 404)["error"]

    @pytest.mark.parametrize("path", ["/page/../guard.py", "/page/%2e%2e/guard.py", "/page//etc/passwd"])
    def test_no_way_out_of_the_page(self, visitor: Visitor, path: str) -> None:
        assert visitor.ask("GET", path)[0] == 404
