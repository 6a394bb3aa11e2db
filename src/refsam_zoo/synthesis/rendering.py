"""Turns a scene into masks, exactly, and into pictures, prettily."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from refsam_zoo.errors import InputError
from refsam_zoo.file_names import FRAMES, find_files
from refsam_zoo.synthesis.scenes import Scene, SceneObject
from refsam_zoo.synthesis.shapes import COLOURS, silhouette

_COLOUR_KEPT = 0.4
"""Share of a photograph's colour that is left, so that it is no colour that a sentence names."""


@dataclass(frozen=True)
class Sprite:
    """A silhouette and where it goes.

    Attributes:
        coverage: uint8 `[side, side]`, see `silhouette`.
        corners: Row and column of its upper left pixel in every frame, int `[T, 2]`; may lie outside the frame.
    """

    coverage: np.ndarray
    corners: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """The pixels that count as the object, bool `[side, side]`."""
        return self.coverage >= 128

    def windows(self, frame: int, image_size: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Gives the part of a frame that the sprite covers and the part of the sprite that is inside the frame."""
        target, source = [], []
        for corner in self.corners[frame]:
            low, high = max(int(corner), 0), min(int(corner) + len(self.coverage), image_size)
            low, high = min(low, image_size), max(high, 0)
            target.append(slice(low, max(low, high)))
            source.append(slice(low - int(corner), max(low, high) - int(corner)))
        return (target[0], target[1]), (source[0], source[1])


def make_sprites(scene: Scene) -> list[Sprite]:
    """Rasterises every object once; only whole pixels of shift tell its masks in two frames apart."""
    return [_make_sprite(thing) for thing in scene.objects]


def _make_sprite(thing: SceneObject) -> Sprite:
    coverage = silhouette(thing.look.shape, thing.diameter, thing.tilt)
    corners = np.round(thing.track[:, ::-1] - len(coverage) / 2).astype(int)
    return Sprite(coverage, corners)


def render_labels(scene: Scene, sprites: list[Sprite]) -> np.ndarray:
    """Renders the masks.

    Returns:
        Object ids (0 is background), uint8 `[T, H, W]`.
    """
    size = scene.image_size
    labels = np.zeros((len(scene.pan), size, size), np.uint8)
    for frame, label in enumerate(labels):
        for index in scene.depth_order:
            target, source = sprites[index].windows(frame, size)
            label[target][sprites[index].mask[source]] = index + 1
    return labels


def render_pictures(
    scene: Scene, sprites: list[Sprite], noise: float, rng: np.random.Generator, photographs: str | None = None
) -> np.ndarray:
    """Renders the frames.

    Args:
        scene: What to show.
        sprites: Of `make_sprites`.
        noise: Standard deviation of the sensor noise in grey levels.
        rng: Draws textures and noise.
        photographs: See `SynthesisOptions`.

    Returns:
        RGB, uint8 `[T, H, W, 3]`.

    Raises:
        InputError: There are no photographs, or one cannot be read.
    """
    size = scene.image_size
    shifts = np.round(scene.pan - scene.pan.max(axis=0)).astype(int)
    margin = int(-shifts.min())
    if photographs is None:
        background = _background(size, margin, rng)
    else:
        background = photograph(Path(photographs), size + margin, rng)
    coats = [_coat(thing, sprite, rng) for thing, sprite in zip(scene.objects, sprites, strict=True)]
    grain = (rng.standard_normal((size + 32, size + 32, 3), dtype=np.float32) * noise).astype(np.int8)
    pictures = np.empty((len(shifts), size, size, 3), np.uint8)
    for frame, (x, y) in enumerate(-shifts):
        picture = background[y : y + size, x : x + size].copy()
        for index in scene.depth_order:
            target, source = sprites[index].windows(frame, size)
            alpha = sprites[index].coverage[source][..., None].astype(np.uint16)
            mixed = picture[target] * (255 - alpha) + coats[index][source] * alpha
            picture[target] = (mixed // 255).astype(np.uint8)
        row, column = rng.integers(0, 33, 2)
        window = grain[row : row + size, column : column + size]
        pictures[frame] = cv2.add(picture, window, dtype=cv2.CV_8U)
    return pictures


def _smooth_field(shape: tuple[int, int], cells: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a field of smooth hills, float32 `[H, W]` around 0, most of it between -1 and 1."""
    grid = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
    return cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC)


def photograph(folder: Path, side: int, rng: np.random.Generator) -> np.ndarray:
    """Cuts a square of half a picture's shorter side or more out of one, uint8 `[side, side, 3]`, greyer and darker.

    Raises:
        InputError: The folder has no pictures, or one cannot be read.
    """
    files = [*find_files(folder).values()] if folder.is_dir() else []
    if not files:
        raise InputError(f"{folder}: photographs: no pictures ({', '.join(FRAMES)}) are in the folder")
    file = files[int(rng.integers(len(files)))]
    read = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if read is None:
        raise InputError(f"{file}: photographs: the picture cannot be read")
    shorter = min(read.shape[:2])
    cut = int(rng.integers(max(1, shorter // 2), shorter + 1))
    row, column = (int(rng.integers(length - cut + 1)) for length in read.shape[:2])
    window = cv2.resize(read[row : row + cut, column : column + cut, ::-1], (side, side), interpolation=cv2.INTER_AREA)
    grey = window.mean(axis=2, keepdims=True)
    return np.clip(0.5 * (grey + _COLOUR_KEPT * (window - grey)) + 25, 0, 255).astype(np.uint8)


def _background(size: int, margin: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a dull, darkish surface, uint8 `[size + margin, size + margin, 3]`, on which every colour word is clear."""
    shape = (size + margin, size + margin)
    relief = 16 * _smooth_field(shape, 5, rng) + 12 * _smooth_field(shape, int(rng.integers(16, 48)), rng)
    if rng.random() < 0.4:
        relief += rng.uniform(4, 9) * _stripes(shape, rng.uniform(0.04, 0.12) * size, rng)
    tint = rng.uniform(60, 120) + rng.uniform(-12, 12, 3)
    tones = 1 + 0.15 * rng.uniform(-1, 1, 3)
    return np.clip(tint + relief[..., None] * tones, 0, 255).astype(np.uint8)


def _stripes(shape: tuple[int, int], period: float, rng: np.random.Generator) -> np.ndarray:
    """Draws parallel stripes of a period in pixels, float32 `[H, W]`, -1 to 1."""
    angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    wave = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) * (2 * np.pi / period) + phase)
    return np.clip(3 * wave, -1, 1).astype(np.float32)


def _coat(thing: SceneObject, sprite: Sprite, rng: np.random.Generator) -> np.ndarray:
    """Draws what a sprite is painted with, uint8 `[side, side, 3]`: its colour, a texture, light from above."""
    side = len(sprite.coverage)
    shape = (side, side)
    texture = rng.integers(4)
    pattern = np.zeros(shape, np.float32)
    if texture == 1:
        pattern = _stripes(shape, max(0.22 * side, 6), rng)
    elif texture == 2:
        pattern = _stripes(shape, max(0.3 * side, 8), rng) * _stripes(shape, max(0.3 * side, 8), rng)
    elif texture == 3:
        pattern = _smooth_field(shape, 6, rng)
    light = np.linspace(0.07, -0.09, side, dtype=np.float32)[:, None]
    rim = 0.3 * (cv2.erode(sprite.coverage, np.ones((3, 3), np.uint8)) < 255)
    brightness = 0.95 + light + 0.09 * pattern - rim
    colour = np.array(COLOURS[thing.look.colour]) + rng.uniform(-10, 10, 3)
    return np.clip(brightness[..., None] * colour, 0, 255).astype(np.uint8)
