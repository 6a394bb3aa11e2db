from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refsam_zoo.annotations.restricted_pickle import read_pickle
from refsam_zoo.errors import InputError

PLAIN = [{"ref_id": 1, "sentences": [{"sent": "the cat", "sent_id": 5}], "box": (1.5, None, True)}]


class Hostile:
    """Would create a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_is_read(tmp_path: Path, protocol: int) -> None:
    (tmp_path / "r.p").write_bytes(pickle.dumps(PLAIN, protocol))
    assert read_pickle(tmp_path / "r.p").value == PLAIN


def test_text_of_python_2_is_read(tmp_path: Path) -> None:
    # pickle.dumps([{'sent': 'caf\xe9', 'tokens': [u'caf\xe9']}], 2) as Python 2 writes it.
    data = b"\x80\x02]}(U\x04sentU\x04caf\xe9U\x06tokens]X\x05\x00\x00\x00caf\xc3\xa9aua."
    (tmp_path / "r.p").write_bytes(data)
    assert read_pickle(tmp_path / "r.p").value == [{"sent": "café", "tokens": ["café"]}]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hostile_pickle_is_refused_before_it_runs(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "made by the pickle"
    (tmp_path / "r.p").write_bytes(pickle.dumps([*PLAIN, Hostile(target)], protocol))
    with pytest.raises(InputError, match=r"r\.p: refused: it asks for \w+\.mkdir"):
        read_pickle(tmp_path / "r.p")
    assert not target.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93\x8c\x011\x85R.",
        b"(i__main__\nTest\n.",
        b"Pkey\n.",
        b"\x80\x02\x82\x01.",
    ],
)
def test_every_way_to_name_a_class_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "r.p").write_bytes(data)
    with pytest.raises(InputError, match=r"r\.p: refused"):
        read_pickle(tmp_path / "r.p")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(0, 200), flips=st.dictionaries(st.integers(0, 200), st.integers(0, 255), max_size=4))
def test_a_damaged_pickle_is_read_or_refused_in_one_line(tmp_path: Path, cut: int, flips: dict[int, int]) -> None:
    data = bytearray(pickle.dumps(PLAIN, 2))
    for place, byte in flips.items():
        data[place % len(data)] = byte
    (tmp_path / "r.p").write_bytes(data[: max(1, cut)])
    problem = ""
    try:
        read_pickle(tmp_path / "r.p")
    except InputError as error:
        problem = str(error)
    assert "\n" not in problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"r\.p: cannot read"):
        read_pickle(tmp_path / "r.p")
