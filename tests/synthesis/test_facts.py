"""Hand-made scenes with known facts, and scenes of which nothing should be said."""

from __future__ import annotations

import numpy as np
import pytest

from refsam_zoo.synthesis.facts import ObjectFacts, SceneFacts, measure
from refsam_zoo.synthesis.rendering import make_sprites, render_labels
from refsam_zoo.synthesis.scenes import Look, Scene, SceneObject

T = 12
TIME = np.linspace(-0.5, 0.5, T)[:, None]
STILL = np.zeros((T, 2))


def line(x: float, y: float) -> np.ndarray:
    return TIME * (x, y)


def circle(radius: float, turns: float) -> np.ndarray:
    angle = 2 * np.pi * turns * TIME[:, 0]
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def thing(centre: tuple[float, float], path: np.ndarray, diameter: int = 30, shape: str = "square") -> SceneObject:
    return SceneObject(Look(shape, "red", "small"), diameter, 0.0, np.array(centre) + path)


def facts_of(*things: SceneObject, pan: np.ndarray = STILL) -> SceneFacts:
    scene = Scene(256, things, tuple(range(len(things))), pan)
    sprites = make_sprites(scene)
    return measure(scene, sprites, render_labels(scene, sprites))


def facts_of_one(path: np.ndarray, pan: np.ndarray = STILL) -> ObjectFacts:
    return facts_of(thing((128, 128), path), pan=pan).objects[0]


@pytest.mark.parametrize(
    ("path", "motion", "speed"),
    [
        (STILL, "still", "still"),
        (line(-30, 0), "left", "slow"),
        (line(30, 5), "right", "slow"),
        (line(0, -100), "up", "fast"),
        (line(10, 100), "down", "fast"),
        (circle(20, 1.1), "circling", "fast"),
        (circle(20, -1.1), "circling", "fast"),
        (line(60, 60), None, "fast"),
        (line(30, 14), None, "slow"),
        (circle(20, 0.5), None, None),
        (line(6, 0), None, "slow"),
        (line(64, 0), "right", None),
        (np.abs(TIME) * (100, 0), None, "fast"),
    ],
)
def test_motion_and_speed_are_named_where_they_are_clear(
    path: np.ndarray, motion: str | None, speed: str | None
) -> None:
    facts = facts_of_one(path)
    assert (facts.motion, facts.speed) == (motion, speed)


def test_a_pan_makes_nothing_true() -> None:
    pan = line(30, 0) - line(30, 0)[0]
    assert facts_of_one(STILL, pan).motion is None
    assert facts_of_one(pan - 15, pan).motion is None
    assert facts_of_one(line(-100, 0), pan).motion == "left"


def test_sizes_are_measured_and_the_gap_between_them_is_disputable() -> None:
    sizes = [facts_of(thing((128, 128), STILL, diameter)).objects[0].size for diameter in (27, 36, 46, 56, 79)]
    assert sizes == ["small", "small", None, "big", "big"]


def test_the_size_of_what_is_never_seen_whole_is_disputable() -> None:
    facts = facts_of(thing((8, 128), STILL, 30)).objects[0]
    assert facts.size is None
    assert not facts.clear


def test_an_object_that_shows_in_less_than_half_of_the_frames_is_not_clear() -> None:
    leaving = thing((256, 128), line(-120, 0)[::-1])
    gone_early = thing((290, 128), line(-120, 0)[::-1])
    assert facts_of(leaving).objects[0].clear
    assert not facts_of(gone_early).objects[0].clear
    assert facts_of(gone_early).objects[0].motion is None


def test_being_covered_is_told_from_leaving() -> None:
    target, cover = thing((128, 128), STILL), thing((128, 128), line(150, 0), diameter=78)
    hidden = facts_of(target, cover).objects
    assert hidden[0].occluded
    assert hidden[0].clear
    assert not hidden[1].occluded
    assert not facts_of(thing((256, 128), line(-120, 0))).objects[0].occluded


def test_relations_hold_always_or_never_or_are_disputable() -> None:
    left, right, above = thing((60, 128), STILL), thing((200, 128), STILL), thing((60, 40), STILL)
    relations = facts_of(left, right, above, thing((128, 220), line(120, 0))).relations
    assert relations["left of"][0, 1] == 1
    assert relations["left of"][1, 0] == 0
    assert relations["right of"][1, 0] == 1
    assert relations["above"][2, 0] == 1
    assert relations["below"][0, 2] == 1
    assert relations["above"][0, 2] == 0
    assert relations["left of"][0, 2] == 0
    assert relations["left of"][3, 1] == -1
    assert relations["left of"][2, 3] == -1
    assert all(np.diag(matrix).tolist() == [0, 0, 0, 0] for matrix in relations.values())


def test_relations_need_both_objects_in_sight() -> None:
    relations = facts_of(thing((60, 128), STILL), thing((290, 128), line(-120, 0))).relations
    assert relations["left of"][0, 1] == -1
