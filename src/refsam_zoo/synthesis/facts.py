"""Measures on the rendered masks what may be said of a scene.

Every fact has three values: true, false, and None for what a viewer could argue about; an expression that meets a
None is never written. Lengths are fractions of the image side.

- An object is **seen** in a frame where at least half of its silhouette is visible, and **clear** enough to be named
  where it is seen in half of the frames and at least once almost whole.
- **Motion** is judged in image coordinates, on the centroids of the whole silhouette in the frames where the object is
  seen; and it is only stated where it would be the same against the background, so that a panning camera makes
  nothing true or false.
- **Relations** hold between centroids in every frame in which both objects are seen, or in none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refsam_zoo.synthesis.rendering import Sprite
from refsam_zoo.synthesis.scenes import Look, Scene

MOTIONS = ("left", "right", "up", "down", "circling", "still")
SPEEDS = ("slow", "fast", "still")
RELATIONS = {"left of": (1, 0), "right of": (-1, 0), "above": (0, 1), "below": (0, -1)}
"""Words of relation, and the direction (x, y) from the subject to the object it is compared with."""

_SEEN, _WHOLE, _HIDDEN = 0.5, 0.97, 0.6  # shares of the silhouette: visible, visible, covered
_SMALL, _BIG = 0.16, 0.2  # at most, at least so far across; between them no word for the size
_STILL, _TRAVEL = 0.01, 0.05  # at most so far from the start, at least so far from start to end
_SLOW, _FAST = 0.2, 0.3  # at most, at least so long a way per clip
_ROUND = 0.04  # least radius of a circle that is seen as one
_BESIDE = 0.08  # least distance between centroids along the direction of a relation


@dataclass(frozen=True)
class ObjectFacts:
    """What may be said of one object.

    Attributes:
        look: Shape and colour.
        size: "small" or "big" as measured, or None.
        motion: One of `MOTIONS`, or None.
        speed: One of `SPEEDS`, or None.
        clear: Whether it shows well enough to be named.
        occluded: Whether other objects hide most of it in at least a quarter of the frames.
    """

    look: Look
    size: str | None
    motion: str | None
    speed: str | None
    clear: bool
    occluded: bool


@dataclass(frozen=True)
class SceneFacts:
    """What may be said of a scene.

    Attributes:
        objects: Facts of the object with id k + 1 at place k.
        relations: For each word of `RELATIONS` whether object row stands so to object column, int8 `[K, K]`: 1 true,
            0 false, -1 disputable.
    """

    objects: tuple[ObjectFacts, ...]
    relations: dict[str, np.ndarray]


def measure(scene: Scene, sprites: list[Sprite], labels: np.ndarray) -> SceneFacts:
    """Measures the facts of a scene.

    Args:
        scene: What was rendered.
        sprites: Of `make_sprites`.
        labels: Of `render_labels`, uint8 `[T, H, W]`.

    Returns:
        The facts.
    """
    size = scene.image_size
    count = len(sprites)
    areas = np.stack([np.bincount(label.ravel(), minlength=count + 1)[1:] for label in labels], axis=1)
    full = np.array([sprite.mask.sum() for sprite in sprites])[:, None]
    inside = np.stack([_areas_inside(sprite, size) for sprite in sprites])
    visible = areas / full
    covered = (inside - areas) / full
    tracks = np.stack([_centroids(sprite) for sprite in sprites]) / size
    facts = []
    for index, thing in enumerate(scene.objects):
        seen = visible[index] >= _SEEN
        whole = bool(visible[index].max() >= _WHOLE)
        extent = _extent(labels[visible[index].argmax()] == index + 1) / size
        motion, speed = _agree(tracks[index], scene.pan / size, seen)
        clear = whole and bool(2 * seen.sum() >= len(seen))
        occluded = bool(4 * (covered[index] >= _HIDDEN).sum() >= len(seen))
        facts.append(ObjectFacts(thing.look, _size(extent, whole), motion, speed, clear, occluded))
    return SceneFacts(tuple(facts), _relations(tracks, visible >= _SEEN))


def _areas_inside(sprite: Sprite, image_size: int) -> np.ndarray:
    """Counts a silhouette's pixels inside the frame, covered or not, int `[T]`."""
    mask = sprite.mask
    return np.array([mask[sprite.windows(frame, image_size)[1]].sum() for frame in range(len(sprite.corners))])


def _centroids(sprite: Sprite) -> np.ndarray:
    """Gives the centroid of the whole silhouette in every frame, x and y in pixels, float `[T, 2]`."""
    return sprite.corners[:, ::-1] + np.argwhere(sprite.mask).mean(axis=0)[::-1]


def _extent(mask: np.ndarray) -> int:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(max(np.ptp(rows), np.ptp(columns))) + 1 if len(rows) else 0


def _size(extent: float, whole: bool) -> str | None:
    if extent >= _BIG:
        return "big"
    return "small" if whole and extent <= _SMALL else None


def _agree(track: np.ndarray, pan: np.ndarray, seen: np.ndarray) -> tuple[str | None, str | None]:
    """Gives motion and speed, each only where the image and the background agree on it."""
    if 2 * seen.sum() < len(seen):
        return None, None
    share = float(np.ptp(np.flatnonzero(seen))) / (len(seen) - 1)
    paths = (track[seen], (track - pan)[seen])
    motions = {_motion(path) for path in paths}
    speeds = {_speed(path, share) for path in paths}
    return (motions.pop() if len(motions) == 1 else None), (speeds.pop() if len(speeds) == 1 else None)


def _length(path: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def _rests(path: np.ndarray) -> bool:
    return bool(np.linalg.norm(path - path[0], axis=1).max() <= _STILL)


def _motion(path: np.ndarray) -> str | None:
    """Names a path, float `[n, 2]`; None where no word fits beyond doubt."""
    if _rests(path):
        return "still"
    if _circles(path):
        return "circling"
    x, y = path[-1] - path[0]
    length, distance = _length(path), np.hypot(x, y)
    if distance < _TRAVEL or length > 1.15 * distance or min(abs(x), abs(y)) > 0.3 * max(abs(x), abs(y)):
        return None
    if abs(x) > abs(y):
        return "left" if x < 0 else "right"
    return "up" if y < 0 else "down"


def _circles(path: np.ndarray) -> bool:
    """Says whether a path goes at least five sixths of the way round, and round enough to be seen as a circle."""
    arms = path - (path.max(axis=0) + path.min(axis=0)) / 2
    radii = np.linalg.norm(arms, axis=1)
    angles = np.unwrap(np.arctan2(arms[:, 1], arms[:, 0]))
    around = abs(angles[-1] - angles[0]) >= 5 / 3 * np.pi
    return bool(around and radii.min() >= _ROUND and radii.max() <= 1.5 * radii.min())


def _speed(path: np.ndarray, share: float) -> str | None:
    """Names the speed of a path seen for a share of the clip, by what its length would be over the whole clip."""
    if _rests(path):
        return "still"
    length = _length(path) / share
    if length >= _FAST:
        return "fast"
    return "slow" if length <= _SLOW else None


def _relations(tracks: np.ndarray, seen: np.ndarray) -> dict[str, np.ndarray]:
    both = seen[:, None] & seen[None]
    enough = 2 * both.sum(axis=-1) >= both.shape[-1]
    offsets = tracks[None] - tracks[:, None]
    relations = {}
    for word, direction in RELATIONS.items():
        along = (offsets * direction).sum(axis=-1)
        across = np.abs(offsets * direction[::-1]).sum(axis=-1)
        always = (~both | ((along >= _BESIDE) & (across <= along))).all(axis=-1)
        never = (~both | (along <= 0)).all(axis=-1)
        relations[word] = np.where(enough & always, 1, np.where(enough & never, 0, -1)).astype(np.int8)
        np.fill_diagonal(relations[word], 0)
    return relations
