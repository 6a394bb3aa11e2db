from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from formats.jhmdb_sentences import SAMPLED, first_of_each_video, write_jhmdb_sentences
from scipy.io import savemat

from refsam_zoo.clips.reading import read_clip
from refsam_zoo.data_modules import JHMDBSentences
from refsam_zoo.data_modules.jhmdb_sentences import parse_jhmdb_sentences
from refsam_zoo.errors import InputError
from refsam_zoo.types import Referral


def rewrite(root: Path, change: Callable[[list[Any]], object]) -> None:
    file = root / "jhmdb_sentences_samples_metadata.json"
    samples = json.loads(file.read_text())
    change(samples)
    file.write_text(json.dumps(samples))


@pytest.fixture
def root(shapes: list[Referral], tmp_path: Path) -> Path:
    write_jhmdb_sentences(tmp_path, shapes)
    return tmp_path


def test_it_shows_the_same_pixels(shapes: list[Referral], agree: Callable[..., None], root: Path) -> None:
    found = parse_jhmdb_sentences(root)
    for original, copy in zip(first_of_each_video(shapes), found, strict=True):
        assert copy.frames == ("00001", "00003", "00005")
        assert copy.tags == {"action": "jump"}
        agree(original, copy, sorted(SAMPLED))


def test_the_data_module_evaluates_only(root: Path) -> None:
    data = JHMDBSentences(root, workers=0)
    data.setup("test")
    assert all(batch.masks is not None for batch in data.test_dataloader()[0])
    with pytest.raises(InputError, match="evaluation only"):
        data.setup("fit")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s[0].pop(), r"json: 0: expected \[video"),
        (lambda s: s[0].__setitem__(1, "a.png"), r"0\.1: expected \.\.\./<action>"),
        (lambda s: s[0].__setitem__(1, "x/../../00001.png"), r"0\.1: '\.\.' cannot be the name"),
        (lambda s: s[0].__setitem__(0, "other"), r"0\.1: the frame is not one of other"),
        (lambda s: s[0].__setitem__(1, s[0][1].replace("00005", "00099")), r"0: the frame is missing: .*00099\.png"),
        (lambda s: s[0].__setitem__(1, s[0][1].replace("00005", "last")), r"0\.1: expected a whole number"),
    ],
)
def test_wrong_samples_are_refused(root: Path, change: Callable[[list[Any]], object], message: str) -> None:
    rewrite(root, change)
    with pytest.raises(InputError, match=message):
        parse_jhmdb_sentences(root)


def test_wrong_mask_files_are_refused_when_read(root: Path) -> None:
    referral = parse_jhmdb_sentences(root)[0]
    file = next((root / "puppet_mask" / "jump" / referral.video_id).iterdir())
    good = file.read_bytes()
    for content, message in [
        ({"part_mask": np.zeros((64, 32, 6))}, r"\(64, 32, 6\), the frames 64x64"),
        ({"part_mask": np.zeros((64, 64, 4))}, "4 masks, but frame 5 is asked for"),
        ({"other": 1}, "not a readable mask file"),
    ]:
        savemat(file, content)
        with pytest.raises(InputError, match=message):
            read_clip([referral], [0, 1, 2])
    for damaged in (b"", b"MATLAB 7.3", b"MATLAB 5.0 MAT-file ", good[:-50], good[:200]):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match="not a readable mask file"):
            read_clip([referral], [0])
