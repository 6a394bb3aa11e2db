"""Draws scenes: which objects, how they look, where they are in every frame, which is in front.

A scene is a proposal. Whether it can be spoken of is measured on what it renders to (`facts.py`), and a scene that
serves no purpose is drawn again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from refsam_zoo.synthesis.options import SynthesisOptions
from refsam_zoo.synthesis.shapes import COLOURS, DIAMETERS, HELD_OUT, SHAPES

T = TypeVar("T")

_DIRECTIONS = {"left": (-1.0, 0.0), "right": (1.0, 0.0), "up": (0.0, -1.0), "down": (0.0, 1.0)}
_TWIN_SPLITS = ("motion", "relation")


@dataclass(frozen=True)
class Look:
    """What an object looks like: `shape`, `colour` and `size` words."""

    shape: str
    colour: str
    size: str


@dataclass(frozen=True)
class SceneObject:
    """One object of a scene.

    Attributes:
        look: Its words.
        diameter: Longer side of its bounding box in pixels.
        tilt: -1 to 1, see `silhouette`.
        track: Centre of the bounding box in every frame, x and y in pixels, float `[T, 2]`.
    """

    look: Look
    diameter: int
    tilt: float
    track: np.ndarray


@dataclass(frozen=True)
class Scene:
    """Objects in motion in front of a moving background.

    Attributes:
        image_size: Height and width of the frames in pixels.
        objects: The objects; object k has the id k + 1.
        depth_order: Indices of the objects from back to front.
        pan: Where the background is in every frame, x and y in pixels against the first frame, float `[T, 2]`. The
            objects' tracks contain it already.
    """

    image_size: int
    objects: tuple[SceneObject, ...]
    depth_order: tuple[int, ...]
    pan: np.ndarray


def draw_scene(split: str, options: SynthesisOptions, rng: np.random.Generator) -> Scene:
    """Draws a scene with what the split asks for planted in it.

    The first objects are the planted ones (twins; target and occluder; held-out pair) until the ids are shuffled.
    """
    fewest = {"motion": 3, "relation": 4, "occlusion": 3, "unseen": 3}.get(split, options.objects_min)
    count = max(fewest, int(rng.integers(options.objects_min, options.objects_max + 1)))
    looks = _draw_looks(split, count, rng)
    size = options.image_size
    pan = _draw_pan(options, rng)
    tracks: list[np.ndarray] = []
    diameters: list[int] = []
    for index, look in enumerate(looks):
        low, high = DIAMETERS[look.size]
        diameters.append(round(size * rng.uniform(low, high)))
        path = _draw_path(_draw_motion(split, index, rng), options.frames, rng) * size + pan - pan.mean(axis=0)
        if split == "occlusion" and index == 1:
            centre = tracks[0][options.frames // 2] + rng.uniform(-0.03, 0.03, 2) * size
            tracks.append(centre + path - path[options.frames // 2])
        else:
            tracks.append(_place(path, diameters, tracks, size, rng))
    depth = _draw_depth(split, count, rng)
    ids = rng.permutation(count)
    objects = [SceneObject(looks[i], diameters[i], float(rng.uniform(-1, 1)), tracks[i]) for i in ids]
    position = np.argsort(ids)
    return Scene(size, tuple(objects), tuple(int(position[i]) for i in depth), pan)


def _draw_looks(split: str, count: int, rng: np.random.Generator) -> list[Look]:
    looks: list[Look] = []
    if split == "unseen":
        colour, shape = _pick(tuple(sorted(HELD_OUT)), rng)
        looks.append(Look(shape, colour, _pick(("small", "big"), rng)))
    while len(looks) < count:
        look = Look(_pick(SHAPES, rng), _pick(tuple(COLOURS), rng), _pick(("small", "big"), rng))
        if split in _TWIN_SPLITS and len(looks) == 1:
            look = looks[0]
        elif split == "unseen" and len(looks) <= 2:
            shared = {"shape": looks[0].shape} if len(looks) == 1 else {"colour": looks[0].colour}
            look = replace(look, **shared)
        elif looks:
            look = _resemble(look, _pick(tuple(looks), rng), split, rng)
        if (look.colour, look.shape) not in HELD_OUT:
            looks.append(look)
    return looks


def _resemble(look: Look, other: Look, split: str, rng: np.random.Generator) -> Look:
    """Lets a new object share words with an earlier one, so that one word alone seldom tells the target."""
    chance = rng.random()
    if chance < 0.3:
        return replace(look, shape=other.shape)
    if chance < 0.6:
        return replace(look, colour=other.colour)
    if chance < 0.75 and split not in _TWIN_SPLITS:
        return replace(look, shape=other.shape, colour=other.colour)
    return look


def _draw_motion(split: str, index: int, rng: np.random.Generator) -> str:
    """Draws a word of motion: a direction, diagonal, circling or still, with its speed."""
    if split == "relation" and index < 3:
        return _pick(("still", "slow left", "slow right", "slow up", "slow down"), rng)
    if split == "occlusion" and index == 0:
        return _pick(("still", "still", "slow left", "slow right"), rng)
    if split == "occlusion" and index == 1:
        return "fast " + _pick(tuple(_DIRECTIONS), rng)
    kind = _pick(("direct", "direct", "direct", "direct", "still", "still", "circling", "diagonal"), rng)
    if kind == "direct":
        kind = _pick(tuple(_DIRECTIONS), rng)
    return kind if kind in ("still", "circling") else f"{_pick(('slow', 'fast'), rng)} {kind}"


def _draw_path(motion: str, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a path around the origin, in fractions of the image side, float `[T, 2]`."""
    time = np.linspace(-0.5, 0.5, frames)
    if motion == "still":
        return np.zeros((frames, 2))
    if motion == "circling":
        turns = rng.uniform(1.0, 1.25) * rng.choice((-1.0, 1.0))
        angle = 2 * np.pi * (turns * time + rng.random())
        return rng.uniform(0.07, 0.11) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    speed, direction = motion.split()
    length = rng.uniform(0.11, 0.16) if speed == "slow" else rng.uniform(0.34, 0.55)
    if direction == "diagonal":
        along = rng.choice((-1.0, 1.0), 2) * (0.7, 0.7)
    else:
        along = np.array(_DIRECTIONS[direction]) + rng.uniform(-0.1, 0.1, 2)
    return length * time[:, None] * along


def _draw_pan(options: SynthesisOptions, rng: np.random.Generator) -> np.ndarray:
    """Draws the background's path in pixels; the zero path where the camera stands still."""
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.06, 0.16) * options.image_size
    if rng.random() >= options.pan_probability:
        length = 0.0
    return np.linspace(0, length, options.frames)[:, None] * (np.cos(angle), np.sin(angle))


def _place(
    path: np.ndarray, diameters: list[int], tracks: list[np.ndarray], size: int, rng: np.random.Generator
) -> np.ndarray:
    """Moves a path to where it collides least with the earlier objects, or, now and then, to anywhere."""
    radius = diameters[-1] / 2
    centres = rng.uniform(radius, size - radius, (16, 1, 2))
    candidates = centres + path
    if not tracks or rng.random() < 0.2:
        return candidates[0]
    others = np.stack(tracks)[:, None]
    touching = (np.array(diameters[:-1])[:, None] + diameters[-1]) / 2
    gaps = (np.linalg.norm(others - candidates, axis=-1).min(axis=-1) - touching).min(axis=0)
    outside = np.clip(np.maximum(-candidates, candidates - size), 0, None).max(axis=(1, 2))
    return candidates[int(np.argmax(np.minimum(gaps, 0.05 * size) - outside))]


def _draw_depth(split: str, count: int, rng: np.random.Generator) -> list[int]:
    """Draws which object is in front of which, from back to front."""
    order = [int(index) for index in rng.permutation(count)]
    if split == "occlusion" and order.index(0) > order.index(1):
        first, second = order.index(0), order.index(1)
        order[first], order[second] = 1, 0
    return order


def _pick(choices: Sequence[T], rng: np.random.Generator) -> T:
    return choices[int(rng.integers(len(choices)))]
