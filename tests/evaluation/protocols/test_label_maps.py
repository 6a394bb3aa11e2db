from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsam_zoo import evaluate
from refsam_zoo.errors import InputError


def _save(folder: Path, maps: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for position, labels in enumerate(maps):
        Image.fromarray(labels).save(folder / f"{position:05d}.png")


def _truth() -> np.ndarray:
    """Two squares that move for 10 frames, and a strip of void: uint8 `[T, H, W]`."""
    labels = np.zeros((10, 48, 64), np.uint8)
    for position in range(10):
        labels[position, 5:15, 2 + position : 20 + position] = 1
        labels[position, 25:40, 40 - position : 55 - position] = 2
        labels[position, :, 60:] = 255
    return labels


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("Annotations", "Annotations_unsupervised"):
        for video in ("a", "b"):
            _save(tmp_path / "davis" / folder / "480p" / video, _truth())
    return tmp_path / "davis"


def _swapped() -> np.ndarray:
    labels = _truth()
    return np.choose(np.where(labels == 255, 0, labels), [0, 2, 1]).astype(np.uint8)


def test_matching_forgives_swapped_numbers(root: Path, tmp_path: Path) -> None:
    for video in ("a", "b"):
        _save(tmp_path / "swapped" / video, _swapped())
    assert evaluate(tmp_path / "swapped", "davis17_unsupervised", root).scores["jf"] == 1
    assert evaluate(tmp_path / "swapped", "davis17", root).scores["j"] == 0


def test_only_listed_videos_are_scored(root: Path, tmp_path: Path) -> None:
    _save(tmp_path / "predictions" / "b", _swapped())
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("b\n")
    found = evaluate(tmp_path / "predictions", "davis17_unsupervised", root)
    assert {row["video_id"] for row in found.rows} == {"b"}
    (root / "ImageSets" / "2017" / "val.txt").write_text("b\nc\n")
    with pytest.raises(InputError, match="no masks of 1 listed videos: c"):
        evaluate(tmp_path / "predictions", "davis17_unsupervised", root)


def test_annotators_are_scored_apart(root: Path, tmp_path: Path) -> None:
    for number in range(4):
        for video in ("a", "b"):
            maps = _swapped()
            if number == 3:
                maps[:] = 0
            _save(tmp_path / "predictions" / f"anno_{number}" / video, maps)
    found = evaluate(tmp_path / "predictions", "ref_davis17", root, threads=2)
    assert [found.scores[f"anno_{number}/jf"] for number in range(4)] == [1, 1, 1, 0]
    assert found.scores["jf"] == 0.75
    assert len(found.rows) == 16
    (tmp_path / "predictions" / "anno_2").rename(tmp_path / "predictions" / "anno_9")
    with pytest.raises(
        InputError,
        match="3 of 4 annotators, 6 of 8 videos, 60 of 80 masks; 1 missing: anno_2;",
    ):
        evaluate(tmp_path / "predictions", "ref_davis17", root)


def test_missing_maps_are_refused_or_empty(root: Path, tmp_path: Path) -> None:
    _save(tmp_path / "predictions" / "a", _swapped())
    with pytest.raises(InputError, match=r"has 1 of 2 videos, 10 of 20 masks; 1 missing: b;"):
        evaluate(tmp_path / "predictions", "davis17_unsupervised", root)
    found = evaluate(tmp_path / "predictions", "davis17_unsupervised", root, on_incomplete="empty")
    assert found.scores["jf"] == 0.5


def test_wrong_maps_are_refused(root: Path, tmp_path: Path) -> None:
    for video in ("a", "b"):
        _save(tmp_path / "predictions" / video, _swapped())
    labels = _swapped()[3]
    labels[0, 0] = 3
    Image.fromarray(labels).save(tmp_path / "predictions" / "a" / "00003.png")
    with pytest.raises(InputError, match="shows object 3, but the first frame of the ground truth has objects up to 2"):
        evaluate(tmp_path / "predictions", "davis17", root)
    labels[0, 0] = 21
    Image.fromarray(labels).save(tmp_path / "predictions" / "a" / "00003.png")
    with pytest.raises(InputError, match="has 21 tracks; at most 20"):
        evaluate(tmp_path / "predictions", "davis17_unsupervised", root)
    Image.fromarray(labels[:20]).save(tmp_path / "predictions" / "a" / "00003.png")
    with pytest.raises(InputError, match=r"a/00003.png' is 20x64 but the ground truth 48x64"):
        evaluate(tmp_path / "predictions", "davis17", root)
    with pytest.raises(InputError, match="there are no masks in"):
        evaluate(tmp_path / "predictions", "davis17", tmp_path / "predictions")


@pytest.mark.parametrize("protocol", ["davis17", "vos_benchmark"])
def test_frames_are_in_the_order_of_the_official_evaluators(tmp_path: Path, protocol: str) -> None:
    """As text, `9` comes after `11`: the frames that are left out are 0 and 9."""
    maps = np.zeros((12, 48, 64), np.uint8)
    maps[:, 5:15, 2:20] = 1
    for number, labels in enumerate(maps):
        for folder in ("davis/Annotations/480p/a", "predictions/a"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            wrong = folder.startswith("predictions") and number in (0, 9)
            Image.fromarray(labels * 0 if wrong else labels).save(tmp_path / folder / f"{number}.png")
    assert evaluate(tmp_path / "predictions", protocol, tmp_path / "davis").scores["j"] == 1
