from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from refsam_zoo.annotations.matlab import read_matlab_array
from refsam_zoo.errors import InputError

MASKS = np.arange(7 * 5 * 3).reshape(7, 5, 3) % 4


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "u8", "f4", "f8", "?"])
def test_arrays_are_read_as_they_were_written(tmp_path: Path, kind: str, compressed: bool) -> None:
    masks = MASKS.astype(kind)
    content = {"other": "text", "first": np.eye(3), "part_mask": masks, "cell": np.array([{}, 1], object)}
    savemat(tmp_path / "a.mat", content, do_compression=compressed)
    found = read_matlab_array(tmp_path / "a.mat", "part_mask")
    np.testing.assert_array_equal(found, masks)
    np.testing.assert_array_equal(read_matlab_array(tmp_path / "a.mat", "first"), np.eye(3))


def test_arrays_of_few_bytes_are_read(tmp_path: Path) -> None:
    for count in range(1, 10):
        savemat(tmp_path / "a.mat", {"x": np.arange(count, dtype=np.uint8)[None]})
        np.testing.assert_array_equal(read_matlab_array(tmp_path / "a.mat", "x"), np.arange(count)[None])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": "text"}, "'x' is no numeric array"),
        ({"x": np.array([{}], object)}, "'x' is no numeric array"),
        ({"y": 1}, "there is no array 'x'"),
        (b"", "does not begin as one of version 5"),
        (b"MATLAB 5.0 MAT-file ", "does not begin as one of version 5"),
        (b" " * 124 + b"\x00\x02IM" + bytes(512), "does not begin as one of version 5"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: Any, message: str) -> None:
    file = tmp_path / "a.mat"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        savemat(file, content)
    with pytest.raises(InputError, match=rf"a\.mat: not a readable mask file: .*{message}"):
        read_matlab_array(file, "x")
    with pytest.raises(InputError, match=r"b\.mat: not a readable mask file: No such file"):
        read_matlab_array(tmp_path / "b.mat", "x")


@pytest.mark.parametrize("compressed", [False, True])
def test_damaged_files_are_read_or_refused(tmp_path: Path, compressed: bool) -> None:
    file = tmp_path / "a.mat"
    savemat(file, {"part_mask": MASKS.astype(np.uint8)}, do_compression=compressed)
    sound = file.read_bytes()

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(
        length=st.integers(0, len(sound)),
        changes=st.dictionaries(st.integers(124, len(sound) - 1), st.integers(0, 255), max_size=4),
    )
    def attempt(length: int, changes: dict[int, int]) -> None:
        damaged = bytearray(sound)
        for place, byte in changes.items():
            damaged[place] = byte
        file.write_bytes(damaged[: length if length % 2 else len(sound)])
        problem = f"{file}: not a readable mask file: "
        try:
            assert read_matlab_array(file, "part_mask").size == MASKS.size
        except InputError as error:
            problem = str(error)
        assert problem.startswith(f"{file}: not a readable mask file: ")

    attempt()
