"""Proves every sentence again from the JPEG and PNG files alone, with another parser and other measurements."""

from __future__ import annotations

import colorsys
import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from refsam_zoo.synthesis import SPLITS, SynthesisOptions, synthesize

COLOURS = ["red", "orange", "yellow", "green", "cyan", "blue", "purple", "white"]
HUES = {"red": 0, "orange": 30, "yellow": 52, "green": 127, "cyan": 183, "blue": 228, "purple": 282}
SHAPES = ["circle", "square", "triangle", "star", "cross", "ring"]


@dataclass
class Thing:
    """What the files show of one object; motion and speed are None where occlusion leaves too few frames to tell."""

    shape: str
    colour: str
    size: str
    motion: str | None
    speed: str | None
    centres: dict[int, np.ndarray]


def shape_of(mask: np.ndarray) -> str:
    contours, tree = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if any(entry[3] >= 0 for entry in tree[0]):
        return "ring"
    outline = max(contours, key=cv2.contourArea)
    area = cv2.contourArea(outline)
    solidity = area / cv2.contourArea(cv2.convexHull(outline))
    if solidity < 0.88:
        return "star" if solidity < 0.66 else "cross"
    _, (width, height), _ = cv2.minAreaRect(outline)
    fill = area / (width * height)
    return "triangle" if fill < 0.65 else "circle" if fill < 0.88 else "square"


def colour_of(pixels: np.ndarray) -> str:
    hue, saturation, _ = colorsys.rgb_to_hsv(*(np.median(pixels, axis=0) / 255))
    if saturation < 0.3:
        return "white"
    return min(HUES, key=lambda name: abs((360 * hue - HUES[name] + 180) % 360 - 180))


def motion_of(centres: dict[int, np.ndarray]) -> tuple[str | None, str | None]:
    if len(centres) < 5:
        return None, None
    path = np.array(list(centres.values()))
    width, height = np.ptp(path, axis=0)
    if max(width, height) < 4:
        return "still", "still"
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    pace = np.median(steps / np.diff(list(centres)))
    speed = "fast" if pace > 5.7 else "slow"
    (dx, dy), length = path[-1] - path[0], steps.sum()
    if min(width, height) > 15 and length > 2 * np.hypot(dx, dy):
        return "circling", speed
    if length > 1.4 * np.hypot(dx, dy) or max(width, height) < 2 * min(width, height):
        return None, speed
    words = ("left", "right") if width > height else ("up", "down")
    return words[int((dx if width > height else dy) > 0)], speed


@cache
def look_at(folder: Path, video: str, frames: tuple[str, ...]) -> dict[str, Thing]:
    labels = np.stack([np.asarray(Image.open(folder / "Annotations" / video / f"{name}.png")) for name in frames])
    things = {}
    for number in np.unique(labels[labels > 0]):
        masks = labels == number
        areas = masks.sum(axis=(1, 2))
        best = int(areas.argmax())
        picture = np.asarray(Image.open(folder / "JPEGImages" / video / f"{frames[best]}.jpg"))
        inner = cv2.erode(masks[best].astype(np.uint8), np.ones((3, 3))) > 0
        whole = np.flatnonzero(areas >= 0.97 * areas.max())
        centres = {int(t): np.argwhere(masks[t]).mean(axis=0)[::-1] for t in whole}
        rows, columns = np.nonzero(masks[best])
        size = "small" if max(np.ptp(rows), np.ptp(columns)) < 45 else "big"
        motion, speed = motion_of(centres)
        shape, colour = shape_of(masks[best]), colour_of(picture[inner])
        things[str(number)] = Thing(shape, colour, size, motion, speed, centres)
    return things


def matches(words: str, thing: Thing) -> bool:
    known = {thing.size, thing.colour, thing.shape, thing.shape + "s", thing.shape + "es", "object", "objects"}
    return set(words.split()) <= known


def stands(thing: Thing, word: str, anchor: Thing) -> bool | None:
    axis, sign = {"left of": (0, 1), "right of": (0, -1), "above": (1, 1), "below": (1, -1)}[word]
    shared = thing.centres.keys() & anchor.centres.keys()
    if not shared:
        return None
    gaps = [sign * (anchor.centres[t] - thing.centres[t])[axis] for t in shared]
    return True if min(gaps) > 12 else False if max(gaps) < 8 else None


def says(sentence: str, thing: Thing, things: dict[str, Thing]) -> bool | None:
    """Judges a sentence about an object; None where what is visible does not settle it."""
    if found := re.fullmatch(r"the (.+) (left of|right of|above|below) the (.+)", sentence):
        anchors = [other for other in things.values() if matches(found[3], other)]
        assert len(anchors) == 1, f"'{found[3]}' is no single object"
        return matches(found[1], thing) and thing is not anchors[0] and stands(thing, found[2], anchors[0])
    if found := re.fullmatch(
        r"the (.+) moving (left|right|up|down)|the (.+) (circling)|the (.+) that is (still)", sentence
    ):
        words, word = (group for group in found.groups() if group)
        return matches(words, thing) and (None if thing.motion is None else thing.motion == word)
    if found := re.fullmatch(r"the (fast) (.+)|the (.+) (moving slowly)", sentence):
        words, speed = (found[2], "fast") if found[1] else (found[3], "slow")
        return matches(words, thing) and (None if thing.speed is None else thing.speed == speed)
    found = re.fullmatch(r"(?:the|all) (.+)", sentence)
    assert found, f"'{sentence}' is not of the grammar"
    return matches(found[1], thing)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("truth") / "shapes"
    counts = {f"{split}_videos": 4 for split in SPLITS} | {"train_videos": 10}
    synthesize(root, SynthesisOptions(seed=3, mp4="none", **counts))
    return root


def videos(root: Path, split: str) -> dict:
    return json.loads((root / "meta_expressions" / split / "meta_expressions.json").read_text())["videos"]


@pytest.mark.parametrize("split", SPLITS)
def test_every_sentence_is_true_of_exactly_the_named_objects(root: Path, split: str) -> None:
    verdicts: Counter = Counter()
    for video, entry in videos(root, split).items():
        things = look_at(root / split, video, tuple(entry["frames"]))
        for item in entry["expressions"].values():
            for number, thing in things.items():
                verdict = says(item["exp"], thing, things)
                verdicts[verdict] += 1
                assert verdict in (None, number in item["obj_ids"]), f"{video} '{item['exp']}' of object {number}"
    assert verdicts[None] <= 0.1 * verdicts.total()


def test_kinds_say_what_is_asked(root: Path) -> None:
    kinds: Counter = Counter()
    for split in ("train", "val", "test"):
        for entry in videos(root, split).values():
            items = list(entry["expressions"].values())
            assert 4 <= len(items) <= 8
            assert len({item["exp"] for item in items}) == len(items)
            for item in items:
                kinds[item["kind"]] += 1
                assert (len(item["obj_ids"]) > 1) == (item["kind"] == "plural") == item["exp"].startswith("all ")
                assert (not item["obj_ids"]) == (item["kind"] == "absent")
                assert item["obj_id"] == (item["obj_ids"] or ["0"])[0]
    assert set(kinds) == {"attribute", "motion", "relation", "plural", "absent"}
    assert kinds["attribute"] > kinds.total() / 2


@pytest.mark.parametrize("split", ["motion", "relation"])
def test_looks_alone_do_not_settle_the_hard_splits(root: Path, split: str) -> None:
    for video, entry in videos(root, split).items():
        things = look_at(root / split, video, tuple(entry["frames"]))
        for item in entry["expressions"].values():
            assert item["kind"] == split
            words = re.sub(
                r" (left of|right of|above|below) .*| moving \w+| circling| that is still|the |fast ", "", item["exp"]
            )
            assert sum(matches(words, thing) for thing in things.values()) > 1


def test_the_target_of_the_split_occlusion_vanishes_and_shows(root: Path) -> None:
    for video, entry in videos(root, "occlusion").items():
        folder = root / "occlusion" / "Annotations" / video
        labels = np.stack([np.asarray(Image.open(folder / f"{name}.png")) for name in entry["frames"]])
        for item in entry["expressions"].values():
            areas = (labels == int(item["obj_id"])).sum(axis=(1, 2))
            assert 4 * (areas <= 0.4 * areas.max()).sum() >= len(areas)
            assert 2 * (areas >= 0.5 * areas.max()).sum() >= len(areas)


def test_the_unseen_pairs_occur_nowhere_else(root: Path) -> None:
    pairs: dict[str, set] = {split: set() for split in SPLITS}
    spoken: dict[str, set] = {split: set() for split in SPLITS}
    for split in SPLITS:
        for video, entry in videos(root, split).items():
            things = look_at(root / split, video, tuple(entry["frames"]))
            pairs[split] |= {(thing.colour, thing.shape) for thing in things.values()}
            for item in entry["expressions"].values():
                spoken[split] |= set(re.findall(rf"({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})", item["exp"]))
                if split == "unseen":
                    target = things[item["obj_id"]]
                    assert (target.colour, target.shape) in spoken[split]
    elsewhere = set.union(*(pairs[split] | spoken[split] for split in SPLITS[:-1]))
    assert spoken["unseen"]
    assert not spoken["unseen"] & elsewhere
