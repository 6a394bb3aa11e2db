"""Every way in which an annotation file can be wrong, as Hypothesis strategies."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

OUTSIDE = "outside"
"""A folder next to the root; many wrong names point into it."""

NAMES = (
    "", " ", ".", "..", f"../{OUTSIDE}", f"../{OUTSIDE}/secret", f"../../{OUTSIDE}", "/etc/passwd", f"..\\{OUTSIDE}",
    "a/b", "a\0b", "\ud800", "x" * 300, "²", "٣", "-1", "0", "1", "99999", "1e3", "nan", "00000", "00003", "null",
    "a\nb", "c:", "\ufeff",
)  # fmt: skip
NUMBERS = (-1, 0, 1, 5, 255, 256, 2**31, 2**63, 10**30, -(10**30), 1.5, float("nan"), float("inf"), 1e308)
VALUES = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(NUMBERS),
    st.sampled_from((None, True, False)),
    st.sampled_from(([], {}, [[]], [None], [1, 2], {"a": 1}, {"size": [64, 64], "counts": "0"}, [[0] * 6], ["a"])),
    st.text(max_size=8),
    st.integers(),
)


class Twice(dict[str, Any]):
    """A mapping that is written with its first key twice."""

    def items(self) -> Any:
        pairs = list(super().items())
        return pairs[:1] + pairs


@st.composite
def damaged_values(draw: st.DrawFn, content: Any) -> Any:
    """JSON-like content with one to three changes at any depth."""
    content = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(content))
        if not places:
            return draw(VALUES)
        parent, key = places[draw(st.integers(0, len(places) - 1))]
        draw(st.sampled_from(CHANGES))(draw, parent, key)
    return content


def _places(content: Any) -> Any:
    keys = content if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for key in list(keys):
        yield content, key
        yield from _places(content[key])


def _remove(draw: st.DrawFn, parent: Any, key: Any) -> None:
    del parent[key]


def _replace(draw: st.DrawFn, parent: Any, key: Any) -> None:
    parent[key] = copy.deepcopy(draw(VALUES))


def _repeat(draw: st.DrawFn, parent: Any, key: Any) -> None:
    if isinstance(parent, list):
        parent.append(copy.deepcopy(parent[key]))
    else:
        parent[key] = Twice(parent[key]) if isinstance(parent[key], dict) else [parent[key], parent[key]]


def _rename(draw: st.DrawFn, parent: Any, key: Any) -> None:
    if isinstance(parent, dict):
        parent[draw(st.sampled_from(NAMES))] = parent.pop(key)
    else:
        parent.insert(0, parent.pop(key))


def _empty(draw: st.DrawFn, parent: Any, key: Any) -> None:
    parent[key] = type(parent[key])() if parent[key] is not None else []


CHANGES = (_remove, _replace, _replace, _replace, _repeat, _rename, _empty)


@st.composite
def damaged_tables(draw: st.DrawFn, text: str) -> bytes:
    """Lines of a text file or table with one to three changes of lines or words."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 3))):
        if not lines:
            break
        number = draw(st.integers(0, len(lines) - 1))
        separator = "," if "," in lines[number] else " "
        words = lines[number].split(separator)
        word = draw(st.integers(0, len(words) - 1))
        odd = str(draw(VALUES)).encode(errors="replace").decode()
        change = draw(st.integers(0, 5))
        if change == 0:
            del lines[number]
        elif change == 1:
            lines.append(lines[number])
        elif change == 2:
            lines[number] = separator.join(words[:word])
        elif change == 3:
            lines.insert(number, odd)
        else:
            words[word : word + (change == 4)] = [odd]
            lines[number] = separator.join(words)
    return "\n".join(lines).encode()


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """A file that is cut, encoded in another way, or has other bytes in some places."""
    change = draw(st.integers(0, 6))
    place = draw(st.integers(0, len(content)))
    if change == 0:
        return content[:place]
    if change == 1:
        return b"\xef\xbb\xbf" + content
    if change == 2:
        return content.decode("latin-1").encode(draw(st.sampled_from(("utf-16", "utf-32", "utf-8"))))
    if change == 3:
        return content[:place] + draw(st.binary(min_size=1, max_size=4)) + content[place:]
    if change == 4:
        return content[:place] + b"\xff\xfe\x00" + content[place:]
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        if changed:
            changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    return bytes(changed)


def damaged_files(file: Path) -> st.SearchStrategy[bytes | None]:
    """Contents to put in the place of a file's, None for none."""
    content = file.read_bytes()
    parse: Callable[[], st.SearchStrategy[bytes]] | None = {
        ".json": lambda: damaged_values(json.loads(content)).map(lambda value: json.dumps(value).encode()),
        ".p": lambda: damaged_values(pickle.loads(content)).map(lambda value: pickle.dumps(_plain(value), protocol=2)),
        ".csv": lambda: damaged_tables(content.decode("latin-1")),
        ".txt": lambda: damaged_tables(content.decode("latin-1")),
    }.get(file.suffix)
    nothing: st.SearchStrategy[bytes | None] = st.none()
    inside = [parse()] * 8 if parse else []
    return st.one_of(*inside, damaged_bytes(content), damaged_bytes(content), nothing)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
